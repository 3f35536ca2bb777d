"""The page and its addresses for programs, as an ASGI application; `web` serves it."""

import asyncio
import concurrent.futures
import functools
import re
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from detection.generate.generate import PageGenerator
from detection.web import uploads
from detection.web.answers import HTTP_STATUS_BY_ERROR, PageAnswers
from detection.web.uploads import RequestRefused, Upload
from runtime import console

PAGE_FOLDER = Path(__file__).parent / "page"
STATIC_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/api": ("api.html", "text/html"),
    "/openapi.json": ("openapi.json", "application/json"),
}

MAX_ADMITTED_REQUESTS, MAX_ADMITTED_BYTES = 64, 400_000_000
"""Requests that may be under way at once, and bytes that their pictures may have together; the next
is told to come back."""

DECODING_THREADS = 2
"""Pictures that are decoded at once: one of 25 megapixels takes 0.2 to 0.6 GB meanwhile."""

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class WebApp:
    """Answers requests with one detector.

    Args:
        answers: builds the answers for the page.
        generator: generates faces.
        max_bytes: size limit of an uploaded image.
        local: whether only this computer can reach the page.
    """

    def __init__(self, answers: PageAnswers, generator: PageGenerator, max_bytes: int, local: bool):
        self.answers, self.generator = answers, generator
        self.max_bytes, self.local = max_bytes, local
        self._admitted_sizes: list[int] = []  # bytes of each
        self._detection_pool = concurrent.futures.ThreadPoolExecutor(DECODING_THREADS, "judging")
        self._generation_pool = concurrent.futures.ThreadPoolExecutor(
            2, "drawing"
        )  # one draws, one says that it is busy

    def asgi(self, hosts: Collection[str]) -> ASGIApp:
        """The application; it answers under these names and under addresses, because another name
        may be a stranger's."""
        routes = [
            Route(path, functools.partial(_serve_file, *file))
            for path, file in STATIC_FILES.items()
        ]
        routes += [
            Route("/api/detector", self.detector),
            Route("/api/drawing", self.drawing),
            Route("/api/detect", self.detect, methods=["POST"]),
            Route("/api/draw", self.draw, methods=["POST"]),
        ]
        failures = {404: _handle_not_found, 405: _handle_not_allowed, Exception: _handle_failure}
        return Starlette(
            routes=routes,
            middleware=[Middleware(_HostGuard, hosts=hosts)],
            exception_handlers=failures,
        )

    async def detector(self, request: Request) -> Response:
        """GET: what judges here."""
        return JSONResponse(
            self.answers.describe_detector() | {"largest": self.max_bytes, "local": self.local}
        )

    async def drawing(self, request: Request) -> Response:
        """GET: what draws here; where its model is not at hand, finding out may take seconds."""
        why_not = await asyncio.to_thread(self.generator.ready)
        return JSONResponse(
            {"source": self.generator.source, "kind": self.generator.kind, "why_not": why_not}
        )

    async def detect(self, request: Request) -> Response:
        """POST a picture: what it looks like."""
        explain = request.query_params.get("explain", "0") not in ("0", "", "false")
        return await self._answer_if_admitted(
            request,
            lambda upload: self._run(
                self._detection_pool, self._detect_image, upload.picture, explain
            ),
        )

    async def draw(self, request: Request) -> Response:
        """POST a form with a prompt or a picture: a generated face, and what it looks like."""
        return await self._answer_if_admitted(
            request, lambda upload: self._run(self._generation_pool, self._generate_face, upload)
        )

    async def _answer_if_admitted(
        self, request: Request, work: Callable[[Upload], Any]
    ) -> Response:
        if _is_cross_site(request):
            return _make_error_response(403, "Another site's page may not ask here.")
        size = min(uploads.read_declared_size(request) or self.max_bytes, self.max_bytes)
        if (
            len(self._admitted_sizes) >= MAX_ADMITTED_REQUESTS
            or sum(self._admitted_sizes) + size > MAX_ADMITTED_BYTES
        ):
            return _make_error_response(
                503,
                "Too many pictures are being judged; try again in a moment.",
                {"retry-after": "2"},
            )
        self._admitted_sizes.append(size)
        try:
            return JSONResponse(await work(await uploads.read_upload(request, self.max_bytes)))
        except RequestRefused as refusal:
            return _make_error_response(refusal.status, refusal.message)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # whatever a picture or a model can bring about
            return await _handle_failure(request, error)
        finally:
            self._admitted_sizes.remove(size)

    async def _run(self, pool: concurrent.futures.Executor, work: Callable, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)

    def _detect_image(self, data: bytes, explain: bool) -> dict[str, Any]:
        if not data:
            raise RequestRefused(
                400,
                "Nothing was sent; send one picture as the body, or in the form's field `file`.",
            )
        image = self.answers.decode_image(data)
        if image.rejection:
            message = image.detection.error
            raise RequestRefused(
                HTTP_STATUS_BY_ERROR[image.rejection], f"{message[0].upper()}{message[1:]}."
            )
        return self.answers.build_answer(image, explain)

    def _generate_face(self, upload: Upload) -> dict[str, Any]:
        try:
            seed = int(upload.fields.get("seed") or secrets.randbelow(2**31))
            face = self.generator.draw(
                upload.fields.get("prompt", ""), upload.picture or None, seed
            )
        except ValueError:
            raise RequestRefused(422, "The seed is no whole number.") from None
        except console.PlainError as error:
            raise RequestRefused(
                503 if error.exit_code == console.EXIT_BUSY else 422, str(error)
            ) from None
        return {"drawn_with": face.told, **self._detect_image(face.png, True)}


def _is_cross_site(request: Request) -> bool:
    """Whether a browser sends this for a page of another site, which then could use what listens on
    this computer."""
    origin = request.headers.get("origin")
    return bool(origin) and origin.partition("://")[2] != request.headers.get("host")


async def _serve_file(name: str, kind: str, request: Request) -> Response:
    return FileResponse(PAGE_FOLDER / name, media_type=kind)


def _make_error_response(
    status: int, message: str, headers: dict[str, str] | None = None
) -> Response:
    return JSONResponse({"error": message}, status, headers)


async def _handle_not_found(request: Request, error: Exception) -> Response:
    return _make_error_response(
        404, "There is no such address; /api describes those that there are."
    )


async def _handle_not_allowed(request: Request, error: Exception) -> Response:
    return _make_error_response(405, "This address takes another method; /api describes it.")


async def _handle_failure(request: Request, error: Exception) -> Response:
    """Nothing of what brought it about is told or logged: it may be of a picture."""
    number = secrets.token_hex(4)
    console.print_warning(f"A request failed: {type(error).__name__} ({number}).")
    return _make_error_response(
        500, f"Something went wrong here; the terminal names it under {number}."
    )


class _HostGuard:
    """Answers under its own names only, and adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]):
        self.app, self.hosts = app, hosts

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
            else _make_error_response(
                400, "This page does not go by that name; ask for it by its address."
            )
        )
        await response(scope, receive, send_with_headers)

    def _is_own_host(self, host: str) -> bool:
        name = re.sub(r":[0-9]+$", "", host).strip("[]")
        return name in self.hosts or bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]+", name))
