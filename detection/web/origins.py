"""Who may ask the page: its own pages, under its own names."""

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detection.web import error_responses

CROSS_SITE_MESSAGE = "Requests from pages of other sites are not allowed."

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_cross_site(request: Request) -> bool:
    """Return whether a browser sends this request for a page of another site, which must not be
    able to use this server."""
    origins = request.headers.getlist("origin")
    host = request.headers.get("host", "").casefold()
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    return len(origins) > 1 or any(
        origin.partition("://")[2].casefold() != host for origin in origins
    )


class HostGuard:
    """Answer to the own host names only, and add SECURITY_HEADERS to every response."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]):
        self.app, self.hosts = app, {host.casefold() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra_headers = [
                    (name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
                ]
                message = {**message, "headers": [*message["headers"], *extra_headers]}
            await send(message)

        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        is_known = self._is_own_host(Headers(scope=scope).get("host", ""))
        response = (
            self.app
            if is_known
            else error_responses.make_error_response(
                400, "This page has another name; use its IP address."
            )
        )
        await response(scope, receive, send_with_headers)

    def _is_own_host(self, host: str) -> bool:
        name = re.sub(r":[0-9]+$", "", host).strip("[]").casefold()
        return name in self.hosts or bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]+", name))
