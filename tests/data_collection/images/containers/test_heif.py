"""AVIF and HEIC: pixels, colours and the right side up as in other formats; files that state other
sizes than they hold, and all that only serves to waste time or memory, are refused."""

import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from data_collection.images import colour, decode, opening
from data_collection.images.containers import heif
from data_collection.images.decoding_pool import DecodingPool
from data_collection.images.errors import UnreadableImage
from toys.commands import REPOSITORY_ROOT, build_environment
from toys.heif_files import (
    GRADIENT,
    HeifItem,
    make_coded_item,
    make_gradient,
    make_grid_item,
    pack_box,
    pack_size,
    turn,
    write_heic,
    write_heif,
)
from toys.images import encode_image

ALPHA_URN = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
OTHER_SIZE = "states another size"


def decode_pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode.decode_whole(data).square).astype(int)


def make_avif(image: Image.Image | None = None, **options) -> bytes:
    return encode_image(image or make_gradient(), "AVIF", quality=95, **options)


def difference(data: bytes, expected: np.ndarray) -> float:
    return float(np.abs(decode_pixels(data) - np.asarray(expected).astype(int)).mean())


def restate_size(data: bytes, width: int, height: int) -> bytes:
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def restate_colours(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def move_colours_into_data(data: bytes, primaries: int, transfer: int) -> bytes:
    """Take away the boxes of colours; the AV1 data states these in their place."""
    end = data.index(b"mdat") + 36
    bits, written = int.from_bytes(data[:end]), int.from_bytes(bytes((1, 13, 6)))
    place = next(place for place in range(256) if bits >> place & 0xFFFFFF == written)
    bits ^= (written ^ int.from_bytes(bytes((primaries, transfer, 6)))) << place
    return (bits.to_bytes(end) + data[end:]).replace(b"colr", b"free")


def make_transparent() -> Image.Image:
    image = make_gradient()
    image.putalpha(Image.fromarray(GRADIENT[:, :, 1]))
    return image


def test_an_avif_is_the_picture_that_was_saved():
    face = decode.decode_whole(make_avif())
    assert (face.format, face.width, face.height, face.quality) == ("AVIF", 64, 64, None)
    assert difference(make_avif(), GRADIENT) < 2
    grey = make_gradient().convert("L")
    assert difference(make_avif(grey), grey.convert("RGB")) < 2
    expected = decode_pixels(encode_image(make_transparent()))
    assert difference(make_avif(make_transparent()), expected) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_as_a_jpeg_is(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    jpeg = encode_image(make_gradient(), "JPEG", quality=95, exif=exif)
    assert difference(make_avif(exif=exif), decode_pixels(jpeg)) < 3


def test_a_profile_in_an_avif_is_applied():
    profile = colour.build_wide_profile(12)
    expected = decode_pixels(encode_image(make_gradient(), icc_profile=profile))
    assert np.abs(expected - GRADIENT).mean() > 4
    assert difference(make_avif(icc_profile=profile), expected) < 3


@pytest.mark.parametrize("primaries", [9, 12])
def test_wide_colours_without_a_profile_are_those_of_their_profile(primaries):
    wide = restate_colours(make_avif(), primaries, 13)
    profile = colour.build_wide_profile(primaries)
    expected = decode_pixels(encode_image(make_gradient(), icc_profile=profile))
    assert difference(wide, expected) < 3


@pytest.mark.parametrize("primaries", [9, 12])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"subsampling": "4:4:4"},
        {"save_all": True, "append_images": [Image.new("RGB", (64, 64))]},
    ],
)
def test_colours_that_only_the_coded_picture_states_are_those_of_a_box(primaries, options):
    data = make_avif(**options)
    expected = decode_pixels(restate_colours(data, primaries, 13))
    assert difference(move_colours_into_data(data, primaries, 13), expected) == 0
    assert difference(move_colours_into_data(data, 1, 13), expected) > 3
    assert difference(data, decode_pixels(move_colours_into_data(data, 1, 13))) == 0


def test_wide_profiles_are_those_of_their_primaries():
    """White stays white, and red of Display P3 is a red that sRGB has not."""
    for primaries in colour.WIDE_PRIMARIES_D50:
        image = Image.new("RGB", (2, 1), (255, 255, 255))
        image.putpixel((1, 0), (200, 100, 100))
        pixels = decode_pixels(
            encode_image(
                image.resize((40, 20), 0), icc_profile=colour.build_wide_profile(primaries)
            )
        )
        assert pixels[0, 0].min() >= 254
        assert pixels[0, -1, 0] > 205 and pixels[0, -1, 1] < 100
    xyz = np.array(colour.WIDE_PRIMARIES_D50[12]).sum(axis=0)
    assert xyz == pytest.approx([0.9642, 1, 0.8251], abs=1e-3)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused_with_a_way_out(transfer):
    for restate in (restate_colours, move_colours_into_data):
        with pytest.raises(UnreadableImage, match="HDR .* save it as JPEG"):
            decode.decode_whole(restate(make_avif(), 9, transfer))


def test_of_a_sequence_the_still_picture_is_judged():
    others = [Image.new("RGB", (64, 64), (9, 9, 9))] * 2
    sequence = make_avif(save_all=True, append_images=others)
    assert sequence[8:12] == b"avis"
    assert difference(sequence, GRADIENT) < 2


def make_sequence_parameters(width: int, height: int, sub_layers: int = 0) -> bytes:
    """Return the unit of HEVC that tells the size of its pictures."""
    bits = "0" * 4 + f"{sub_layers:03b}" + "1" + "1" * 96
    if sub_layers:
        bits += "11" * sub_layers + "00" * (8 - sub_layers) + "1" * 96 * sub_layers
    for number in (0, 1, width, height):
        code = f"{number + 1:b}"
        bits += "0" * (len(code) - 1) + code
    bits = bits.ljust(-(-len(bits) // 8) * 8, "1")
    return b"\x42\1" + int(bits, 2).to_bytes(len(bits) // 8)


@pytest.mark.parametrize("sub_layers", [0, 2])
@pytest.mark.parametrize("place", ["set-up", "data"])
def test_a_heic_that_states_another_size_than_it_holds_is_refused(place, sub_layers):
    def make(width: int, height: int) -> bytes:
        unit = make_sequence_parameters(width, height, sub_layers)
        sized = struct.pack(">H", len(unit)) + unit
        setup = bytes(21) + b"\3" + (b"\1\x21\0\1" + sized if place == "set-up" else b"\0")
        data = b"\0\0" + sized if place == "data" else b""
        return write_heif(HeifItem(b"hvc1", data, (pack_box(b"hvcC", setup), pack_size(640, 480))))

    assert heif.check_heif(make(640, 480), 640 * 480).kind == "HEIC"
    assert heif.check_heif(make(640, 512), 640 * 480).kind == "HEIC"  # whole blocks
    for size in ((16_384, 16_384), (640, 1000)):
        with pytest.raises(UnreadableImage, match=OTHER_SIZE):
            heif.check_heif(make(*size), 640 * 480)


@pytest.mark.parametrize("others", [[], [Image.new("L", (300, 300))]], ids=["still", "sequence"])
def test_an_avif_that_states_another_size_than_it_holds_is_refused(others):
    options = {"save_all": True, "append_images": others} if others else {}
    data = encode_image(Image.new("L", (300, 300), 90), "AVIF", **options)
    assert decode.decode_whole(data).width == 300
    with pytest.raises(UnreadableImage, match=OTHER_SIZE):
        decode.decode_whole(restate_size(data, 64, 64))


@pytest.mark.parametrize("make", [make_avif, write_heic])
def test_too_many_pixels_are_refused_from_the_header(make):
    with pytest.raises(UnreadableImage, match="larger than 25 megapixels"):
        decode.decode_whole(restate_size(make(), 5001, 5000))
    with pytest.raises(Image.DecompressionBombError):
        heif.check_heif(make(), 64 * 64 - 1)


def test_the_coded_size_counts_where_none_is_stated():
    item = make_coded_item("8 bits")
    bare = write_heif(HeifItem(b"hvc1", item.data, item.properties[:1]))
    assert heif.check_heif(bare, 64 * 64).kind == "HEIC"
    with pytest.raises(Image.DecompressionBombError):
        heif.check_heif(bare, 64 * 64 - 1)


def test_tiles_may_cover_twice_the_largest_picture():
    tiles = [make_coded_item("8 bits")]
    grid = write_heif(make_grid_item(4, 4, (256, 256), [2] * 16), *tiles)
    assert heif.check_heif(grid, 256 * 256).kind == "HEIC"
    many = write_heif(make_grid_item(4, 16, (64, 64), [2] * 64), *tiles)
    with pytest.raises(Image.DecompressionBombError):
        heif.check_heif(many, 64 * 64 * 31)
    with pytest.raises(Image.DecompressionBombError):  # its own head
        heif.check_heif(write_heif(make_grid_item(1, 1, (64, 64), [2]), *tiles), 64 * 64 - 1)


def test_other_codings_are_refused_also_of_a_layer():
    overlay = HeifItem(b"iovl", bytes(40), (), {b"auxl": [1]})
    for items in ([HeifItem(b"unci", bytes(9))], [make_coded_item("8 bits"), overlay]):
        with pytest.raises(UnreadableImage, match="of another kind"):
            decode.decode_whole(write_heif(*items))


def test_boxes_that_two_decoders_could_read_in_two_ways_are_refused():
    data = write_heic()
    start = data.index(b"meta") - 4
    size = int.from_bytes(data[start : start + 4])
    twice = data[: start + size] + data[start:]
    with pytest.raises(UnreadableImage, match="do not fit together"):
        decode.decode_whole(twice)


def test_very_many_boxes_are_refused():
    data = make_avif() + pack_box(b"free", b"") * 600_000
    with pytest.raises(UnreadableImage, match="very many boxes"):
        decode.decode_whole(data)


def test_videos_are_named():
    video = pack_box(b"ftyp", b"isom" + bytes(4)) + pack_box(b"moov", bytes(90))
    with pytest.raises(UnreadableImage, match="an MP4 video, not an image"):
        decode.decode_whole(video)


@pytest.mark.parametrize("make", [make_avif, write_heic])
def test_cut_anywhere_a_file_is_refused_in_a_sentence_or_judged(make):
    data = make()
    for end in range(12, len(data), 7):
        try:
            assert decode.decode_whole(data[:end]).square.size == (64, 64)
        except UnreadableImage as error:
            assert str(error)


def test_without_its_package_a_heic_is_named_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(UnreadableImage, match=r"^HEIC .*\(pip install pi-heif\)"):
        decode.decode_whole(write_heic())


def test_neither_decoder_is_imported_for_other_pictures(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encode_image(make_gradient(), "JPEG"))
    program = (
        "import sys\nfrom data_collection.images import decode\n"
        "decode.decode_whole(open('photo.jpg', 'rb').read())\n"
        "assert not {'pi_heif', 'PIL._avif'} & set(sys.modules)"
    )
    environment = build_environment(PYTHONPATH=str(REPOSITORY_ROOT))
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_decoding_process_opens_them_too():
    pool = DecodingPool()
    try:
        assert pool.decode_whole(make_avif()).format == "AVIF"
        assert pool.decode_whole(encode_image(make_gradient(), "TIFF")).format == "TIFF"
    finally:
        pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts memory this way")
def test_their_decoders_get_no_more_memory_than_pictures_take():
    program = (
        "from data_collection.images.decoding_process import _limit_memory\n"
        "with _limit_memory(50_000_000):\n"
        "    bytes(20_000_000)\n"
        "    try:\n        bytes(200_000_000)\n"
        "    except MemoryError:\n        print('refused')\n"
        "bytes(200_000_000)"
    )
    environment = build_environment(PYTHONPATH=str(REPOSITORY_ROOT))
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


@pytest.mark.parametrize("name", ["8 bits", "10 bits"])
def test_a_heic_is_the_picture_that_was_saved(name):
    pytest.importorskip("pi_heif")
    face = decode.decode_whole(write_heic(name))
    assert (face.format, face.width, face.height) == ("HEIF", 64, 64)
    assert difference(write_heic(name), GRADIENT) < 3


def test_a_heic_is_turned_and_mirrored_as_its_properties_say():
    pytest.importorskip("pi_heif")
    mirror = pack_box(b"imir", b"\1")
    assert difference(write_heic("8 bits", turn(1)), np.rot90(GRADIENT)) < 3
    assert difference(write_heic("8 bits", mirror), GRADIENT[:, ::-1]) < 3


def test_exif_alone_does_not_turn_a_heic():
    """The format says so: cameras write both, and pictures would be turned twice."""
    pytest.importorskip("pi_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    block = HeifItem(b"Exif", bytes(4) + exif.tobytes()[6:], (), {b"cdsc": [1]})
    data = write_heif(make_coded_item("8 bits"), block)
    assert difference(data, GRADIENT) < 3


def test_transparency_of_a_heic_lies_on_grey():
    pytest.importorskip("pi_heif")
    layer = make_coded_item("alpha", pack_box(b"auxC", ALPHA_URN, 0), auxl=[1])
    data = write_heif(make_coded_item("8 bits"), layer)
    assert difference(data, decode_pixels(encode_image(make_transparent()))) < 3


def test_colours_of_a_heic_are_those_of_its_profile():
    pytest.importorskip("pi_heif")
    profile = colour.build_wide_profile(12)
    expected = decode_pixels(encode_image(make_gradient(), icc_profile=profile))
    boxes = (
        pack_box(b"colr", b"prof" + profile),
        pack_box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 6, 128)),
    )
    for box in boxes:
        assert difference(write_heic("8 bits", box), expected) < 3


def test_tiles_of_a_heic_are_put_together():
    pytest.importorskip("pi_heif")
    tile = make_coded_item("8 bits")
    data = write_heif(make_grid_item(2, 1, (128, 64), [2, 3]), tile, tile)
    assert difference(data, np.hstack([GRADIENT, GRADIENT])) < 3


def test_a_thumbnail_is_not_judged():
    pytest.importorskip("pi_heif")
    small = make_coded_item("alpha", thmb=[1])
    assert difference(write_heif(make_coded_item("8 bits"), small), GRADIENT) < 3


def test_a_strip_is_refused():
    with pytest.raises(UnreadableImage, match="a strip"):
        opening.open_image(encode_image(Image.new("L", (900, 20)), "AVIF"))
