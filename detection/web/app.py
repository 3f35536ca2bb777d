"""The web page and its HTTP interface as an ASGI application; server.py serves it."""

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
from detection.web import error_responses, uploads
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
"""Limits on the number of requests in progress, and on the total bytes of their images; further
requests are answered with 503."""

DECODING_THREADS = 2
"""Images decoded at the same time: one of 25 megapixels needs 0.2 to 0.6 GB."""

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class WebApp:
    """Answer requests with one detector.

    Args:
        answers: builds the answers for the page.
        generator: generates faces.
        max_upload_bytes: size limit of an uploaded image.
        local: whether only this computer can reach the page.
    """

    def __init__(
        self, answers: PageAnswers, generator: PageGenerator, max_upload_bytes: int, local: bool
    ):
        self.answers, self.generator = answers, generator
        self.max_upload_bytes, self.local = max_upload_bytes, local
        self._admitted_sizes: list[int] = []  # bytes of each request in progress
        self._detection_pool = concurrent.futures.ThreadPoolExecutor(DECODING_THREADS, "detection")
        # one thread generates, one answers that it is busy
        self._generation_pool = concurrent.futures.ThreadPoolExecutor(2, "generation")

    def asgi(self, hosts: Collection[str]) -> ASGIApp:
        """Build the application; it answers to these host names and to IP addresses only, which
        prevents DNS rebinding."""
        routes = [
            Route(path, functools.partial(_serve_file, *file))
            for path, file in STATIC_FILES.items()
        ]
        routes += [
            Route("/api/detector", self.describe_detector),
            Route("/api/generator", self.describe_generator),
            Route("/api/detect", self.detect, methods=["POST"]),
            Route("/api/generate", self.generate, methods=["POST"]),
        ]
        failures = {
            404: error_responses.handle_not_found,
            405: error_responses.handle_not_allowed,
            Exception: error_responses.handle_failure,
        }
        return Starlette(
            routes=routes,
            middleware=[Middleware(_HostGuard, hosts=hosts)],
            exception_handlers=failures,
        )

    async def describe_detector(self, request: Request) -> Response:
        """Handle GET: describe the detector."""
        return JSONResponse(
            self.answers.describe_detector()
            | {"max_upload_bytes": self.max_upload_bytes, "local": self.local}
        )

    async def describe_generator(self, request: Request) -> Response:
        """Handle GET: describe the generator; if its model is not cached, this may take seconds."""
        obstacles = await asyncio.to_thread(self.generator.describe_obstacles)
        return JSONResponse(
            {"source": self.generator.source, "kind": self.generator.kind, "obstacles": obstacles}
        )

    async def detect(self, request: Request) -> Response:
        """Handle POST of an image: judge it."""
        options = [_is_set(request, name) for name in ("explain", "any_picture")]
        return await self._answer_if_admitted(
            request,
            lambda upload: self._run(
                self._detection_pool, self._detect_image, upload.image, *options
            ),
        )

    async def generate(self, request: Request) -> Response:
        """Handle POST of a form with a prompt or an image: generate a face and judge it."""
        return await self._answer_if_admitted(
            request, lambda upload: self._run(self._generation_pool, self._generate_face, upload)
        )

    async def _answer_if_admitted(
        self, request: Request, work: Callable[[Upload], Any]
    ) -> Response:
        if _is_cross_site(request):
            return error_responses.make_error_response(
                403, "Requests from pages of other sites are not allowed."
            )
        size = min(
            uploads.read_declared_size(request) or self.max_upload_bytes, self.max_upload_bytes
        )
        if (
            len(self._admitted_sizes) >= MAX_ADMITTED_REQUESTS
            or sum(self._admitted_sizes) + size > MAX_ADMITTED_BYTES
        ):
            return error_responses.make_error_response(
                503,
                "Too many images are being judged; try again in a moment.",
                {"retry-after": "2"},
            )
        self._admitted_sizes.append(size)
        try:
            return JSONResponse(
                await work(await uploads.read_upload(request, self.max_upload_bytes))
            )
        except RequestRefused as refusal:
            return error_responses.make_error_response(
                refusal.status, refusal.message, details=refusal.details
            )
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # images and models can raise anything
            return await error_responses.handle_failure(request, error)
        finally:
            self._admitted_sizes.remove(size)

    async def _run(self, pool: concurrent.futures.Executor, work: Callable, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)

    def _detect_image(self, data: bytes, explain: bool, any_picture: bool) -> dict[str, Any]:
        if not data:
            raise RequestRefused(
                400,
                "Nothing was sent; send one image as the body, or in the form's field `file`.",
            )
        image = self.answers.decode_image(data, any_picture)
        if image.rejection:
            message, faces = image.detection.error, image.detection.faces
            raise RequestRefused(
                HTTP_STATUS_BY_ERROR[image.rejection],
                f"{message[0].upper()}{message[1:]}.",
                {} if faces is None else {"faces": faces},
            )
        return self.answers.build_answer(image, explain)

    def _generate_face(self, upload: Upload) -> dict[str, Any]:
        try:
            seed = int(upload.fields.get("seed") or secrets.randbelow(2**31))
            face = self.generator.generate(
                upload.fields.get("prompt", ""), upload.image or None, seed
            )
        except ValueError:
            raise RequestRefused(422, "The seed is not a whole number.") from None
        except console.PlainError as error:
            if error.exit_code == console.EXIT_DISK:
                raise error_responses.make_disk_refusal(error) from None
            raise RequestRefused(
                503 if error.exit_code == console.EXIT_BUSY else 422, str(error)
            ) from None
        # whoever asked for it sees what it shows
        answer = self._detect_image(face.png, explain=True, any_picture=True)
        return {"generated_with": face.description, **answer}


def _is_set(request: Request, option: str) -> bool:
    return request.query_params.get(option, "0") not in ("0", "", "false")


def _is_cross_site(request: Request) -> bool:
    """Return whether a browser sends this request for a page of another site, which must not be
    able to use this server."""
    origin = request.headers.get("origin")
    return bool(origin) and origin.partition("://")[2] != request.headers.get("host")


async def _serve_file(name: str, kind: str, request: Request) -> Response:
    return FileResponse(PAGE_FOLDER / name, media_type=kind)


class _HostGuard:
    """Answer to the own host names only, and add SECURITY_HEADERS to every response."""

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
            else error_responses.make_error_response(
                400, "This page has another name; use its IP address."
            )
        )
        await response(scope, receive, send_with_headers)

    def _is_own_host(self, host: str) -> bool:
        name = re.sub(r":[0-9]+$", "", host).strip("[]")
        return name in self.hosts or bool(re.fullmatch(r"[0-9.]+|[0-9a-f:]*:[0-9a-f:.]+", name))
