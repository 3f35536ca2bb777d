"""Error responses: every error is JSON with one sentence."""

import secrets

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from detection.web.uploads import RequestRefused
from runtime import console

DISK_MESSAGE = (
    "The disk of the computer that runs this page is full or write-protected; make room there, "
    "then try again."
)


def make_error_response(
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    details: dict[str, object] | None = None,
) -> Response:
    return JSONResponse({"error": message, **(details or {})}, status, headers)


async def handle_not_found(request: Request, error: Exception) -> Response:
    return make_error_response(404, "There is no such address; see /api.")


async def handle_not_allowed(request: Request, error: Exception) -> Response:
    return make_error_response(405, "This address needs another method; see /api.")


async def handle_failure(request: Request, error: Exception) -> Response:
    """Log the type of the error only: its message may contain data of an image."""
    disk_error = console.explain_os_error(error)
    if disk_error is not None:
        refusal = make_disk_refusal(disk_error)
        return make_error_response(refusal.status, refusal.message)
    number = secrets.token_hex(4)
    console.print_warning(f"A request failed: {type(error).__name__} ({number}).")
    return make_error_response(
        500, f"Something went wrong here; the terminal names it under {number}."
    )


def make_disk_refusal(error: console.PlainError) -> RequestRefused:
    """Return the refusal for a full or write-protected disk; only the terminal names the path."""
    console.print_warning(f"A request failed: {error}")
    return RequestRefused(507, DISK_MESSAGE)
