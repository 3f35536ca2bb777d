"""Archives are told from images by their first bytes."""

import io
import tarfile
import zipfile

import pytest

from data_collection.images import decode, errors
from data_collection.images.containers import other_files
from toys.images import encode_image, make_image


def make_archives() -> dict[str, bytes]:
    zipped, tarred = io.BytesIO(), {}
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.txt", "x")
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:
            archive.addfile(tarfile.TarInfo("a.txt"))
        tarred[mode] = buffer.getvalue()
    return {
        "zip": zipped.getvalue(),
        **tarred,
        "7z": b"7z\xbc\xaf\x27\x1c\0\4",
        "rar": b"Rar!\x1a\7\1",
    }


@pytest.mark.parametrize("name", make_archives())
def test_an_archive_is_refused_with_a_way_to_unpack_it(name):
    data = make_archives()[name]  # gzip writes the time, so the bytes may not be in the test's name
    with pytest.raises(errors.UnknownImageFormat, match=r"archive, not an image; unpack it \("):
        decode.decode_face(data)


def test_an_image_is_no_archive():
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM"):
        assert other_files.explain_other_file(encode_image(make_image(1), kind)) == ""
