"""Serve the page: load a detector, bind a socket, and answer until interrupted."""

import asyncio
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

from detection.models.answering import choose_detector
from detection.predictor import Detector
from detection.web.settings import LOCAL_HOSTS, WebSettings
from runtime import console

if TYPE_CHECKING:
    import uvicorn

HEADER_TIMEOUT_S = 10
"""A connection without a complete request header by then is closed."""

ANY_ADDRESS_HOSTS = ("0.0.0.0", "::")


def serve_page(settings: WebSettings) -> None:
    """Serve the page until it is interrupted.

    Raises:
        PlainError: the detector is missing or was altered, or the port is in use.
    """
    answering = choose_detector(settings.saved_models, settings.model)
    detector = Detector.load(
        answering.folder,
        settings.any_picture,
        settings.false_alarms,
        settings.misses,
        calibration=settings.calibration,
    )
    detector.give_reason(answering.reason)
    listening = bind_socket(settings)

    import uvicorn

    config = _make_server_config(detector, settings)
    console.print_message(
        f"Judging with {detector.card.name} ({answering.reason}) at "
        f"{format_page_url(settings, listening)} (stop with Ctrl+C)."
    )
    if not settings.local:
        console.print_warning(
            f"Every computer that can reach {settings.host} can use this page, unencrypted and "
            "without a password."
        )
    with contextlib.suppress(KeyboardInterrupt):  # the way to stop it
        asyncio.run(uvicorn.Server(config).serve([listening]))
    os._exit(0)  # nothing needs saving, and a face being generated would delay the exit


def _make_server_config(detector: Detector, settings: WebSettings) -> "uvicorn.Config":
    """Return uvicorn's configuration for the page, with limits against slow and many clients."""
    import uvicorn

    from detection.generate.generate import PageGenerator
    from detection.web.answers import PageAnswers
    from detection.web.app import WebApp

    app = WebApp(
        PageAnswers(detector),
        PageGenerator.from_source(settings.generator),
        settings.max_upload_mb * 1_000_000,
        settings.local,
    )
    return uvicorn.Config(
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


def format_page_url(settings: WebSettings, listening: socket.socket) -> str:
    """Return the address to open in a browser."""
    host = socket.gethostname() if settings.host in ANY_ADDRESS_HOSTS else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def bind_socket(settings: WebSettings) -> socket.socket:
    """Bind a socket to the address of the settings.

    Raises:
        PlainError: the address is in use or not available.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(500)  # until then, a second page could bind it as well
    except OSError as error:
        listening.close()
        in_use = error.errno == errno.EADDRINUSE
        reason = (
            "is in use. Give another --port, or 0 for any free port"
            if in_use
            else f"is not available: {error.strerror}"
        )
        code = console.EXIT_BUSY if in_use else console.EXIT_USAGE
        raise console.PlainError(f"{settings.host}:{settings.port} {reason}.", code) from None
    return listening


def make_http_protocol() -> type:
    """Return uvicorn's HTTP protocol, extended to close connections that send no request."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class ProtocolWithHeaderTimeout(H11Protocol):
        timer = None

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
            """Run the timer while there is no request; more bytes of an incomplete one do not stop
            it."""
            has_request = self.cycle is not None and not self.cycle.response_complete
            if self.timer and has_request:
                self.timer.cancel()
                self.timer = None
            elif not self.timer and not has_request:
                self.timer = self.loop.call_later(HEADER_TIMEOUT_S, self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            if self.timer:
                self.timer.cancel()
            super().connection_lost(exc)

    return ProtocolWithHeaderTimeout
