"""Videos are told from images by their first bytes, whatever the file is called."""

import pytest
from PIL import Image

from data_collection.images import decode, errors
from data_collection.images.containers import other_files
from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from toys.images import encode_image, make_image

HEADS = {
    "an MP4 video": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
    "a QuickTime video": b"\0\0\0\x14ftypqt  \0\0\2\0qt  ",
    "a WebM video": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\x82\x84webm",
    "a Matroska video": b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska",
    "an AVI video": b"RIFF\x24\x10\0\0AVI LIST",
    "a Windows Media video": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9",
    "an MPEG video": b"\0\0\x01\xbaD\0\x04",
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_video_is_told_to_be_one(kind):
    with pytest.raises(errors.UnknownImageFormat, match=f"{kind}, not an image; save a frame"):
        decode.decode_face(HEADS[kind] + bytes(4000))


def test_a_gif_animation_is_told_from_a_gif(tmp_path):
    path = tmp_path / "a.gif"
    frames = [make_image(number) for number in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], loop=0)
    with pytest.raises(errors.UnreadableImage, match="a GIF animation, not an image"):
        decode.decode_face(path.read_bytes())
    with pytest.raises(errors.UnreadableImage, match="GIF is not opened; save it as JPEG"):
        decode.decode_face(encode_image(make_image(1), "GIF"))


def test_a_video_larger_than_any_image_is_told_to_be_one(tmp_path, monkeypatch):
    path = tmp_path / "clip.jpg"
    path.write_bytes(HEADS["an MP4 video"] + bytes(4000))
    monkeypatch.setattr(decode, "MAX_IMAGE_BYTES", 1000)
    with pytest.raises(UnavailableImage, match="an MP4 video"):
        local_folder.read_regular_file(path)


def test_an_image_is_no_video():
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "AVIF"):
        assert other_files.explain_other_file(encode_image(make_image(1), kind)) == ""
    tiny = encode_image(Image.new("L", (1, 1)), "PPM")
    assert other_files.explain_other_file(tiny) == ""
