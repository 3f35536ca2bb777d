"""uvicorn's HTTP protocol with limits: how many connections there are, and how long they may send
or read nothing."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from detection.web.admission import name_visitor

HEADER_TIMEOUT_S = 10
"""A connection without a complete request header by then is closed."""

READER_TIMEOUT_S = 30
"""A connection that has not read its answer by then is closed."""


class OpenConnections:
    """The connections of a page by visitor, the oldest first; at most `max_connections`."""

    def __init__(self, max_connections: int):
        self.max_connections = max_connections
        self._by_visitor: dict[str, dict[LimitedProtocol, None]] = {}

    def add(self, connection: "LimitedProtocol") -> None:
        """Add a connection; if there are too many, the visitor who has most loses one."""
        mine = self._by_visitor.setdefault(connection.visitor, {})
        mine[connection] = None
        if sum(map(len, self._by_visitor.values())) <= self.max_connections:
            return
        theirs = max(self._by_visitor.values(), key=len)
        if len(mine) >= len(theirs):
            victim = connection
        else:
            idle = (other for other in theirs if not other.has_request)
            victim = next(idle, next(iter(theirs)))
        self.remove(victim)  # closing takes until later
        victim.transport.abort()

    def remove(self, connection: "LimitedProtocol") -> None:
        """Remove a connection if it is there."""
        mine = self._by_visitor.get(connection.visitor, {})
        mine.pop(connection, None)
        if not mine:
            self._by_visitor.pop(connection.visitor, None)


class LimitedProtocol(H11Protocol):
    """One connection. It is closed if it sends no request or does not read its answer."""

    open_connections: OpenConnections
    visitor = ""
    _header_timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None

    @property
    def has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # pause as soon as anything waits for the reader, however short the answer is
        transport.set_write_buffer_limits(high=0)
        peer = transport.get_extra_info("peername")
        self.visitor = name_visitor(peer[0] if peer else None)
        self.open_connections.add(self)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        """Run the timer while there is no request; more bytes of an incomplete one do not stop
        it."""
        if self._header_timer and self.has_request:
            self._header_timer.cancel()
            self._header_timer = None
        elif not self._header_timer and not self.has_request:
            self._header_timer = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_timer = self.loop.call_later(READER_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_reader_timer()

    def _stop_reader_timer(self) -> None:
        if self._reader_timer:
            self._reader_timer.cancel()
            self._reader_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._header_timer:
            self._header_timer.cancel()
        self._stop_reader_timer()
        self.open_connections.remove(self)
        super().connection_lost(exc)


def make_http_protocol(max_connections: int) -> type[H11Protocol]:
    """Return the protocol of one page."""
    shared = {"open_connections": OpenConnections(max_connections)}
    return type("PageProtocol", (LimitedProtocol,), shared)
