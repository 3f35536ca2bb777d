"""web(): a detector is opened, a socket bound, and the page served until it is interrupted."""

import asyncio
import contextlib
import errno
import socket

from data_collection import console
from detection.predictor import Detector
from detection.web_settings import WebSettings
from training import saved_models

HEADER_SECONDS = 10
"""A connection that has not asked anything by then is closed."""

LOCAL = ("127.0.0.1", "localhost")


def web(settings: WebSettings) -> None:
    """Serves the page.

    Raises:
        PlainError: no detector, an altered one, or the port is taken.
    """
    detector = Detector.load(saved_models.find(settings.saved_models, settings.model), settings.one_face)
    listening = bound(settings)

    import uvicorn

    from detection.drawing import Drawer
    from detection.web_answers import Answers
    from detection.web_app import WebApp

    app = WebApp(Answers(detector), Drawer.of(settings.generator), settings.largest * 1_000_000)
    # Who asks under another name may be a page that has its own name point here.
    hosts = [*LOCAL, settings.host] if settings.host in LOCAL else ["*"]
    config = uvicorn.Config(
        app.asgi(hosts),
        http=protocol(),
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        limit_concurrency=500,
        h11_max_incomplete_event_size=16_384,
    )
    console.say(f"Judging with {detector.card.name} at http://{settings.host}:{listening.getsockname()[1]} (Ctrl+C ends it).")
    if settings.host not in LOCAL:
        console.warn(f"Every computer that reaches {settings.host} can ask, unencrypted and without a password.")
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        asyncio.run(uvicorn.Server(config).serve([listening]))


def bound(settings: WebSettings) -> socket.socket:
    """A socket on the wanted address.

    Raises:
        PlainError: it cannot be had.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is taken; give another --port, or 0 for any" if taken else f"cannot be had: {error.strerror}"
        code = console.BUSY if taken else console.USAGE
        raise console.PlainError(f"{settings.host}:{settings.port} {why}.", code) from None
    return listening


def protocol() -> type:
    """HTTP as uvicorn speaks it, but a connection that asks nothing is not held for ever."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self._first = self.loop.call_later(HEADER_SECONDS, self._close_if_idle)

        def _close_if_idle(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

        def connection_lost(self, exc: Exception | None) -> None:
            self._first.cancel()
            super().connection_lost(exc)

    return Impatient
