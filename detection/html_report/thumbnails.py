"""Draw thumbnails of judged images, and keep them in a file by the image's hash."""

import base64
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL
from data_collection.images.encode import encode_jpeg
from data_collection.images.errors import UnreadableImage
from data_collection.source_types import UnavailableImage
from detection.detections import KnownAnswer, PreparedImage
from detection.image_paths import LocatedImage
from detection.predictor import Detector
from runtime import hashing

THUMBNAIL_SIDE_PX, THUMBNAIL_QUALITY = 128, 70
"""A thumbnail takes 2 to 6 KB."""

_FIRST_RESIZE_FACTOR = 2.0
"""Whole blocks are averaged down to so many times the thumbnail, which is quick; LANCZOS does the
rest."""

_is_thumbnail_line = re.compile(rb"[0-9a-f]{64} [A-Za-z0-9+/]+=*\n").fullmatch
"""The file may have been altered, and what it holds becomes part of a page."""


def draw_thumbnail(picture: Image.Image) -> bytes:
    """Return a whole picture as a small JPEG without metadata."""
    scale = min(1, THUMBNAIL_SIDE_PX / max(picture.size))
    size = tuple(max(1, round(scale * side)) for side in picture.size)
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=_FIRST_RESIZE_FACTOR)
    return encode_jpeg(small, THUMBNAIL_QUALITY)


def draw_while_decoding(
    decode_whole: Callable[[bytes], DecodedFace], drawn: list[bytes]
) -> Callable[[bytes], DecodedFace]:
    """Return a function that decodes as `decode_whole` does, and appends a thumbnail to `drawn`."""

    def decode_and_draw(data: bytes) -> DecodedFace:
        whole = decode_whole(data)
        drawn.append(draw_thumbnail(whole.square))
        return whole

    return decode_and_draw


class ThumbnailFile:
    """Thumbnails on disk, which several threads may add to.

    The file has one line per image: its sha256 and the thumbnail in base64. A line torn by a crash
    is dropped. Only places in the file are in memory.
    """

    def __init__(self, path: Path):
        self._places: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._file = path.open("a+b")
        self._end = self._read_places()

    def _read_places(self) -> int:
        end = 0
        self._file.seek(0)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if _is_thumbnail_line(line):
                self._places[line[:64].decode()] = (end + 65, len(line) - 66)
            end += len(line)
        self._file.truncate(end)
        return end

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def add(self, sha256: str, jpeg: bytes) -> None:
        """Append a thumbnail, unless the image has one."""
        line = f"{sha256} {base64.b64encode(jpeg).decode()}\n".encode()
        with self._lock:
            if sha256 in self._places:
                return
            self._file.write(line)
            self._file.flush()
            self._places[sha256] = (self._end + 65, len(line) - 66)
            self._end += len(line)

    def read_base64(self, sha256: str) -> str:
        """Return a thumbnail in base64; empty if the image has none."""
        if sha256 not in self._places:
            return ""
        start, size = self._places[sha256]
        with self._lock:
            self._file.seek(start)
            return self._file.read(size).decode()

    def close(self) -> None:
        self._file.close()


class ThumbnailReader:
    """Read images as a detector does, and draw a thumbnail of each on the way."""

    def __init__(self, detector: Detector, thumbnails: ThumbnailFile):
        self.detector, self.thumbnails = detector, thumbnails

    def read_image(self, image: LocatedImage, known: Mapping[str, KnownAnswer]) -> PreparedImage:
        """Read an image as `Detector.read_image` does; one whose answer is known is decoded only
        if it has no thumbnail yet."""
        drawn: list[bytes] = []
        decode_and_draw = draw_while_decoding(COMMAND_POOL.decode_whole, drawn)
        prepared = self.detector.read_image(image, known, decode_and_draw)
        sha256 = prepared.detection.sha256
        if sha256 in known and sha256 not in self.thumbnails:
            try:
                data = image.read()
                if hashing.hash_bytes(data) == sha256:
                    decode_and_draw(data)
            except (UnreadableImage, UnavailableImage, OSError):
                pass  # it was judged earlier, and its row goes without a thumbnail
        if drawn:
            self.thumbnails.add(sha256, drawn[0])
        return prepared
