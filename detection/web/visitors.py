"""Tell visitors apart by their address."""

import ipaddress


def name_visitor(host: str | None) -> str:
    """Return one name for all addresses that a single visitor has: of IPv6 the first 64 bits."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or ""
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
