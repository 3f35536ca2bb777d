"""The web page and its HTTP interface as an ASGI application; server.py serves it."""

import asyncio
import concurrent.futures
import functools
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from detection import html_report
from detection.feedback.page_feedback import PageFeedback
from detection.generate.generate import PageGenerator
from detection.web import error_responses, uploads
from detection.web.admission import Admission, Admissions, name_visitor
from detection.web.answers import PageAnswers
from detection.web.blocking_work import BlockingWork
from detection.web.origins import CROSS_SITE_MESSAGE, HostGuard, is_cross_site
from detection.web.turns import MAX_SLOW_IMAGES, MAX_TURNS, Turns
from detection.web.uploads import RequestRefused, Upload

PAGE_FOLDER = Path(__file__).parent / "page"
SHARED_FOLDER = Path(html_report.__file__).parent
"""Folder of what this page shares with that of `--html`."""

STATIC_FILES = {
    "/": (PAGE_FOLDER / "index.html", "text/html"),
    "/page.css": (PAGE_FOLDER / "page.css", "text/css"),
    "/page.js": (PAGE_FOLDER / "page.js", "text/javascript"),
    "/feedback.js": (PAGE_FOLDER / "feedback.js", "text/javascript"),
    "/many_pictures.js": (PAGE_FOLDER / "many_pictures.js", "text/javascript"),
    "/picture_rows.js": (PAGE_FOLDER / "picture_rows.js", "text/javascript"),
    "/picture_table.css": (SHARED_FOLDER / "picture_table.css", "text/css"),
    "/picture_filter.js": (SHARED_FOLDER / "picture_filter.js", "text/javascript"),
    "/api": (PAGE_FOLDER / "api.html", "text/html"),
    "/openapi.json": (PAGE_FOLDER / "openapi.json", "application/json"),
}

DETECT_OPTIONS = ("explain", "any_picture", "thumbnail")
"""Options of /api/detect."""

EVIDENCE_HEADERS = {"content-disposition": 'attachment; filename="evidence.html"'}


class WebApp:
    """Answer requests with one detector.

    Args:
        answers: builds the answers for the page.
        generator: generates faces.
        max_upload_bytes: size limit of an uploaded image.
        local: whether only this computer can reach the page.
        feedback: keeps wrongly judged pictures; None if the page offers no button for it.
    """

    def __init__(
        self,
        answers: PageAnswers,
        generator: PageGenerator,
        max_upload_bytes: int,
        local: bool,
        feedback: PageFeedback | None = None,
    ):
        self.answers, self.generator, self.feedback = answers, generator, feedback
        self.max_upload_bytes, self.local = max_upload_bytes, local
        self._work = BlockingWork(answers, generator, feedback)
        self._admissions, self._turns = Admissions(), Turns()
        self._detection_pool = concurrent.futures.ThreadPoolExecutor(
            MAX_TURNS + MAX_SLOW_IMAGES + 1, "detection"
        )
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
            Route("/api/evidence", self.write_evidence, methods=["POST"]),
            Route("/api/generate", self.generate, methods=["POST"]),
        ]
        if self.feedback:
            routes.append(Route("/api/feedback", self.keep_feedback, methods=["POST"]))
        failures = {
            404: error_responses.handle_not_found,
            405: error_responses.handle_not_allowed,
            Exception: error_responses.handle_failure,
        }
        return Starlette(
            routes=routes,
            middleware=[Middleware(HostGuard, hosts=hosts)],
            exception_handlers=failures,
        )

    async def describe_detector(self, request: Request) -> Response:
        """Handle GET: describe the detector."""
        return JSONResponse(
            self.answers.describe_detector()
            | {"max_upload_bytes": self.max_upload_bytes, "local": self.local}
            | {"keeps_feedback": self.feedback is not None}
        )

    async def describe_generator(self, request: Request) -> Response:
        """Handle GET: describe the generator; if its model is not cached, this may take seconds."""
        if is_cross_site(request):
            return error_responses.make_error_response(403, CROSS_SITE_MESSAGE)
        obstacles = await asyncio.to_thread(self.generator.describe_obstacles)
        return JSONResponse(
            {
                "source": self.generator.public_source,
                "kind": self.generator.kind,
                "obstacles": obstacles,
            }
        )

    async def detect(self, request: Request) -> Response:
        """Handle POST of an image: judge it."""
        options = {name: _is_set(request, name) for name in DETECT_OPTIONS}
        return await self._answer_in_turn(request, self._work.detect, options)

    async def keep_feedback(self, request: Request) -> Response:
        """Handle POST of a form with an image and its true label: judge it again and keep it."""
        options = {"any_picture": _is_set(request, "any_picture")}
        return await self._answer_in_turn(request, self._work.keep_picture, options)

    async def write_evidence(self, request: Request) -> Response:
        """Handle POST of an image: judge it, and answer with a page of evidence to hand on."""
        options = {"any_picture": _is_set(request, "any_picture")}
        return await self._answer_in_turn(
            request, self._work.write_evidence, options, _make_evidence_response
        )

    async def _answer_in_turn(
        self,
        request: Request,
        work: Callable,
        options: Mapping[str, bool],
        make_response: Callable[[Any], Response] = JSONResponse,
    ) -> Response:
        """Return the response to an image that is judged when it is the visitor's turn."""

        async def work_in_turn(upload: Upload, admission: Admission) -> Response:
            async with self._turns.take(admission.visitor) as turn:
                admission.is_judging = True
                judge = functools.partial(work, announce=turn.set_process, **options)
                answer = await self._run(self._detection_pool, judge, upload)
            return make_response(answer)

        return await self._answer_if_admitted(request, work_in_turn)

    async def generate(self, request: Request) -> Response:
        """Handle POST of a form with a prompt or an image: generate a face and judge it."""

        async def generate(upload: Upload, admission: Admission) -> Response:
            admission.is_judging = True
            answer = await self._run(self._generation_pool, self._work.generate, upload)
            return JSONResponse(answer)

        return await self._answer_if_admitted(request, generate)

    async def _answer_if_admitted(
        self, request: Request, work: Callable[[Upload, Admission], Awaitable[Response]]
    ) -> Response:
        if is_cross_site(request):
            return error_responses.make_error_response(403, CROSS_SITE_MESSAGE)
        visitor = name_visitor(request.client and request.client.host)
        try:
            with self._admissions.admit(visitor) as admission:
                count = functools.partial(self._admissions.add_bytes, admission)
                upload = await uploads.read_upload(request, self.max_upload_bytes, count)
                return await work(upload, admission)
        except RequestRefused as refusal:
            headers = {"retry-after": "2"} if refusal.status == 503 else None
            return error_responses.make_error_response(
                refusal.status, refusal.message, headers, refusal.details
            )
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # images and models can raise anything
            return await error_responses.handle_failure(request, error)

    async def _run(self, pool: concurrent.futures.Executor, work: Callable, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)


def _is_set(request: Request, option: str) -> bool:
    return request.query_params.get(option, "0") not in ("0", "", "false")


async def _serve_file(path: Path, kind: str, request: Request) -> Response:
    return FileResponse(path, media_type=kind)


def _make_evidence_response(page: bytes) -> Response:
    return Response(page, media_type="text/html", headers=EVIDENCE_HEADERS)
