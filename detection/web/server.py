"""web(): a detector is opened, a socket bound, and the page served until it is interrupted."""

import asyncio
import contextlib
import errno
import os
import socket

from detection.predictor import Detector
from detection.web.settings import LOCAL_HOSTS, WebSettings
from runtime import console
from training.detectors import saved_models

HEADER_TIMEOUT_S = 10
"""A connection that has not asked anything by then is closed."""

ANY_ADDRESS_HOSTS = ("0.0.0.0", "::")


def serve_page(settings: WebSettings) -> None:
    """Serves the page.

    Raises:
        PlainError: no detector, an altered one, or the port is taken.
    """
    detector = Detector.load(
        saved_models.find_detector(settings.saved_models, settings.model), settings.one_face
    )
    listening = bind_socket(settings)

    import uvicorn

    from detection.generate.generate import PageGenerator
    from detection.web.answers import PageAnswers
    from detection.web.app import WebApp

    app = WebApp(
        PageAnswers(detector),
        PageGenerator.of(settings.generator),
        settings.largest * 1_000_000,
        settings.local,
    )
    config = uvicorn.Config(
        app.asgi(
            {*LOCAL_HOSTS, settings.host, socket.gethostname(), f"{socket.gethostname()}.local"}
        ),
        http=make_http_protocol(),
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        limit_concurrency=500,
        h11_max_incomplete_event_size=16_384,
    )
    console.print_message(
        f"Judging with {detector.card.name} at {format_page_url(settings, listening)} (Ctrl+C ends it)."
    )
    if not settings.local:
        console.print_warning(
            f"Every computer that reaches {settings.host} can ask, unencrypted and without a password."
        )
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        asyncio.run(uvicorn.Server(config).serve([listening]))
    os._exit(0)  # nothing is kept here, and a face that is being drawn would be waited for


def format_page_url(settings: WebSettings, listening: socket.socket) -> str:
    """What people type to get the page."""
    host = socket.gethostname() if settings.host in ANY_ADDRESS_HOSTS else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def bind_socket(settings: WebSettings) -> socket.socket:
    """A socket on the wanted address.

    Raises:
        PlainError: it cannot be had.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(500)  # until then a second page could bind it, too
    except OSError as error:
        listening.close()
        taken = error.errno == errno.EADDRINUSE
        why = (
            "is taken; give another --port, or 0 for any"
            if taken
            else f"cannot be had: {error.strerror}"
        )
        code = console.EXIT_BUSY if taken else console.EXIT_USAGE
        raise console.PlainError(f"{settings.host}:{settings.port} {why}.", code) from None
    return listening


def make_http_protocol() -> type:
    """HTTP as uvicorn speaks it, but a connection that asks nothing is not held for ever."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Impatient(H11Protocol):
        waiting = None

        def connection_made(self, transport) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def _watch(self) -> None:
            """While nothing is asked, the clock runs; more bytes of half a question do not stop
            it."""
            asked = self.cycle is not None and not self.cycle.response_complete
            if self.waiting and asked:
                self.waiting.cancel()
                self.waiting = None
            elif not self.waiting and not asked:
                self.waiting = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.waiting:
                self.waiting.cancel()
            super().connection_lost(exc)

    return Impatient
