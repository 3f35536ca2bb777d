"""Limit the requests in progress and the bytes that they hold; whoever has most gives way."""

import asyncio
import contextlib
import ipaddress
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from detection.web.uploads import RequestRefused

MAX_ADMITTED_REQUESTS, MAX_ADMITTED_BYTES = 64, 400_000_000
"""Limits on the requests in progress, and on the bytes of them that have arrived; further requests
are answered with 503."""


@dataclass(eq=False)
class Admission:
    """A request in progress.

    Attributes:
        size: bytes that have arrived.
        is_judging: whether its image is being judged; it then no longer gives way.
        is_evicted: whether it had to give way.
    """

    visitor: str
    task: asyncio.Task
    size: int = 0
    is_judging: bool = False
    is_evicted: bool = False


def make_busy_refusal() -> RequestRefused:
    return RequestRefused(503, "Too many images are being judged; try again in a moment.")


@dataclass
class Admissions:
    """All requests in progress."""

    _admitted: list[Admission] = field(default_factory=list)

    @contextlib.contextmanager
    def admit(self, visitor: str) -> Iterator[Admission]:
        """Admit the current task's request.

        Raises:
            RequestRefused: there are too many, and no visitor has more than this one; or another
                visitor's took the place of this one.
        """
        admission = Admission(visitor, asyncio.current_task())
        if len(self._admitted) >= MAX_ADMITTED_REQUESTS:
            self._make_room(visitor, Counter(other.visitor for other in self._admitted))
        self._admitted.append(admission)
        try:
            yield admission
        except asyncio.CancelledError:
            if not admission.is_evicted:
                raise
            admission.task.uncancel()
            raise make_busy_refusal() from None
        finally:
            self._admitted.remove(admission)

    def add_bytes(self, admission: Admission, count: int) -> None:
        """Count bytes that have arrived.

        Raises:
            RequestRefused: there are too many, and no visitor has more than this one.
        """
        admission.size += count
        if sum(other.size for other in self._admitted) > MAX_ADMITTED_BYTES:
            sizes: Counter[str] = Counter()
            for other in self._admitted:
                sizes[other.visitor] += other.size
            self._make_room(admission.visitor, sizes)

    def _make_room(self, visitor: str, amounts: Counter[str]) -> None:
        """Evict the latest request of the visitor who has most, unless that is this one."""
        heaviest = max(amounts, key=amounts.__getitem__)
        candidates = [
            other
            for other in self._admitted
            if other.visitor == heaviest and not other.is_judging and not other.is_evicted
        ]
        if amounts[heaviest] <= amounts[visitor] + 1 or not candidates:
            raise make_busy_refusal()
        candidates[-1].is_evicted = True
        candidates[-1].task.cancel()


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
