"""No picture in the repository shows a person: it is a listed generated one, or has no face.

Every tracked file that Pillow opens is looked at, and every image inside a page.
"""

import base64
import hashlib
import io
import re
import subprocess
from collections.abc import Iterator

from PIL import Image

from data_collection.images import face_detector
from toys.commands import REPOSITORY_ROOT
from toys.face_detector import draw_photograph

GENERATED_PICTURES = {
    # docs/page.png: a face by the sample's DCGAN, its heat map, and six more faces by the DCGAN
    "baa6fb7fc4bf2aeab796ce8f9493f9cf5041981181a1eaedfafccbf094c95f52",
}
"""Pictures with faces, by their SHA-256: whoever takes one again looks at it again."""

EMBEDDED_IMAGE = re.compile(rb"data:image/[a-z0-9.+-]+;base64,([A-Za-z0-9+/=]{40,})")

TILE_SIDES_PX = (320, 960)
"""The face detector sees 320 x 320 pixels, in which a small face on a long page would vanish."""


def list_tracked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=True
    )
    return listed.stdout.split("\0")[:-1]


def open_picture(data: bytes) -> Image.Image | None:
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except (OSError, ValueError):
        return None


def find_pictures() -> Iterator[tuple[str, bytes, Image.Image]]:
    """Yield the name, the bytes and the pixels of every picture that is tracked."""
    for name in list_tracked_files():
        data = (REPOSITORY_ROOT / name).read_bytes()
        if picture := open_picture(data):
            yield name, data, picture
        for number, text in enumerate(EMBEDDED_IMAGE.findall(data)):
            embedded = base64.b64decode(text)
            picture = open_picture(embedded)
            assert picture, f"image {number} in {name} cannot be opened, so not looked at either"
            yield f"image {number} in {name}", embedded, picture


def has_face(picture: Image.Image) -> bool:
    return any(face_detector.find_faces(tile) for tile in list_tiles(picture))


def list_tiles(picture: Image.Image) -> Iterator[Image.Image]:
    """Yield the picture, and overlapping squares of it; every face lies whole in one of them."""
    yield picture
    for side in TILE_SIDES_PX:
        for top in range(0, max(1, picture.height - side // 2), side // 2):
            for left in range(0, max(1, picture.width - side // 2), side // 2):
                yield picture.crop((left, top, left + side, top + side))


def test_no_tracked_picture_shows_a_person():
    pictures = list(find_pictures())
    faces = {
        hashlib.sha256(data).hexdigest(): name
        for name, data, picture in pictures
        if has_face(picture)
    }
    assert len(pictures) >= 6 and any("report/index.html" in name for name, _, _ in pictures)
    unknown = {name: digest for digest, name in faces.items() if digest not in GENERATED_PICTURES}
    assert not unknown, "look whose faces these are; list them only if all were generated"
    assert faces.keys() == GENERATED_PICTURES


def test_a_face_of_any_size_on_a_long_page_is_found():
    page = Image.new("RGB", (700, 1900), "white")
    assert not has_face(page)
    for side in (60, 200, 600):
        with_face = page.copy()
        with_face.paste(draw_photograph().resize((side, side)), (90, 1155))
        assert has_face(with_face)
