"""Serve the page: load a detector, bind a socket, and answer until interrupted."""

import asyncio
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

from data_collection.images.decoding_pool import DecodingPool
from data_collection.images.quick_files import is_decoded_in_half_a_second
from detection.models.answering import choose_detector
from detection.predictor import Detector
from detection.web import connections, memory
from detection.web.settings import LOCAL_HOSTS, WebSettings
from runtime import console

if TYPE_CHECKING:
    import uvicorn

DECODING_LIMIT_S = 5
"""Seconds of computing for one image; one of 25 megapixels takes two at most."""

ACCEPTED_AT_ONCE = 64
"""Connections that wait to be accepted; see connections.RESERVED_DESCRIPTORS."""

ANY_ADDRESS_HOSTS = ("0.0.0.0", "::")


def serve_page(settings: WebSettings) -> None:
    """Serve the page until it is interrupted.

    Raises:
        PlainError: the detector is missing or was altered, or the port is in use.
    """
    memory.return_large_blocks()
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
        asyncio.run(_serve(uvicorn.Server(config), listening))
    os._exit(0)  # nothing needs saving, and a face being generated would delay the exit


async def _serve(server: "uvicorn.Server", listening: socket.socket) -> None:
    connections.quieten_loop(asyncio.get_running_loop())
    await server.serve([listening])


def _make_server_config(detector: Detector, settings: WebSettings) -> "uvicorn.Config":
    """Return uvicorn's configuration for the page, with limits against slow and many clients."""
    import uvicorn

    from detection.feedback.page_feedback import PageFeedback
    from detection.generate.generate import PageGenerator
    from detection.web.answers import PageAnswers
    from detection.web.app import WebApp
    from detection.web.http_protocol import make_http_protocol
    from detection.web.turns import MAX_TURNS

    generator = PageGenerator.from_source(settings.generator)
    if generator.costs_money and not (settings.local or settings.pay_for_visitors):
        raise console.PlainError(
            f"Everybody who can reach {settings.host} would draw with {generator.source} at your "
            "expense. Give --pay-for-visitors if that is meant, or another --generator."
        )
    pool = DecodingPool(DECODING_LIMIT_S, is_decoded_in_half_a_second)
    pool.start_ahead(MAX_TURNS)
    max_connections = connections.choose_max_connections()
    app = WebApp(
        PageAnswers(detector, pool),
        generator,
        settings.max_upload_mb * 1_000_000,
        settings.local,
        PageFeedback() if settings.keep_feedback else None,
    )
    return uvicorn.Config(
        app.asgi(
            {*LOCAL_HOSTS, settings.host, socket.gethostname(), f"{socket.gethostname()}.local"}
        ),
        http=make_http_protocol(max_connections),
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        # our protocol closes a connection before there are so many; this is the wall behind it
        limit_concurrency=max_connections + ACCEPTED_AT_ONCE,
        # so many are accepted before any of them is counted
        backlog=min(ACCEPTED_AT_ONCE, max_connections // 4),
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
