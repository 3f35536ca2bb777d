"""Read uploads in memory, within limits of size and time; nothing is written to disk."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would log uploaded data

UPLOAD_TIMEOUT_S = 30
"""An upload that takes longer is rejected."""

MAX_FORM_OVERHEAD_BYTES = 100_000
"""Limit for the bytes of a form besides its image."""


@dataclass(frozen=True)
class Upload:
    """An upload: the image (empty if there was none), the other fields of the form, and the name
    that the form gives the image."""

    image: bytes
    fields: dict[str, str] = field(default_factory=dict)
    name: str = ""


class RequestRefused(Exception):
    """A request is answered with another status than 200.

    Args:
        status: HTTP status.
        message: what happened and what to do.
        details: further fields of the answer.
    """

    def __init__(self, status: int, message: str, details: dict[str, object] | None = None):
        super().__init__(message)
        self.status, self.message, self.details = status, message, details


class _InMemoryParser(MultiPartParser):
    # the size is already checked; starlette would write files over a megabyte to disk
    spool_max_size = 2**31


async def read_upload(
    request: Request, max_bytes: int, count_bytes: Callable[[int], None] = lambda count: None
) -> Upload:
    """Read a body: the image itself, or a form with the image in the field `file`.

    Args:
        max_bytes: size limit of the image.
        count_bytes: called with the number of bytes that have arrived; may refuse them.

    Raises:
        RequestRefused: 413 if it is larger, 408 if it takes longer than UPLOAD_TIMEOUT_S, 400 if
            the form is broken.
        ClientDisconnect: the client closed the connection.
    """
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT_S):
            body = await _read_body(request, max_bytes + MAX_FORM_OVERHEAD_BYTES, count_bytes)
    except TimeoutError:
        raise RequestRefused(
            408, f"The image did not arrive within {UPLOAD_TIMEOUT_S} seconds; send it again."
        ) from None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_form = media_type == "multipart/form-data"
    upload = await _parse_form(request, body) if is_form else Upload(body)
    if len(upload.image) > max_bytes:
        raise _make_too_large_error(max_bytes)
    return upload


def read_declared_size(request: Request) -> int:
    """Return the declared size of the body in bytes; 0 if there is none."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0


async def _read_body(request: Request, max_bytes: int, count_bytes: Callable[[int], None]) -> bytes:
    if read_declared_size(request) > max_bytes:
        raise _make_too_large_error(max_bytes - MAX_FORM_OVERHEAD_BYTES)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise _make_too_large_error(max_bytes - MAX_FORM_OVERHEAD_BYTES)
        count_bytes(len(part))
        parts.append(part)
    return b"".join(parts)


def _make_too_large_error(max_bytes: int) -> RequestRefused:
    return RequestRefused(
        413, f"The image has more than {max_bytes // 1_000_000} MB; send a smaller one."
    )


async def _parse_form(request: Request, body: bytes) -> Upload:
    async def iterate_body():
        yield body

    try:
        form = await _InMemoryParser(
            request.headers,
            iterate_body(),
            max_files=1,
            max_fields=8,
            max_part_size=MAX_FORM_OVERHEAD_BYTES,
        ).parse()
    except (MultiPartException, KeyError, ValueError):
        raise RequestRefused(
            400, "The form could not be read; send one image in the field `file`."
        ) from None
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    file = files[0] if files else None
    upload = Upload(await file.read(), fields, file.filename or "") if file else Upload(b"", fields)
    await form.close()
    return upload
