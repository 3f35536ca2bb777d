"""Every distortion does what its name says, by that amount, and the same in every run."""

import io

import numpy as np
import pytest
from PIL import Image

from toys.images import encode_image, make_image
from validation.robustness.distortions import DISTORTIONS, UNDISTORTED

BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}
FACE_ID = "5" * 64


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


def flat(grey: int, side: int = 128) -> Image.Image:
    return Image.new("RGB", (side, side), (grey, grey, grey))


def list_family(family: str) -> list[str]:
    return [row.name for row in DISTORTIONS if row.family == family]


@pytest.mark.parametrize("row", DISTORTIONS, ids=lambda row: row.name)
def test_a_distortion_gives_another_rgb_square_and_leaves_its_argument_alone(row):
    square = make_image(1, 240)
    before = square.tobytes()
    distorted = row.apply_to(square, FACE_ID)
    assert (distorted.mode, distorted.width) == ("RGB", distorted.height)
    assert distorted.size != square.size or distorted.tobytes() != before
    assert square.tobytes() == before
    assert row.apply_to(square, FACE_ID).tobytes() == distorted.tobytes()


def test_no_two_rows_share_a_name_and_the_undistorted_picture_is_as_it_was():
    assert len(BY_NAME) == len(DISTORTIONS) == 50
    square = make_image(1)
    assert UNDISTORTED.apply_to(square, FACE_ID).tobytes() == square.tobytes()


@pytest.mark.parametrize("family", ["JPEG", "WebP", "blur", "noise"])
def test_the_rows_of_a_family_do_more_and_more_damage(family):
    square = make_image(2, 200)
    errors = [
        np.mean((pixels(BY_NAME[name].apply_to(square, FACE_ID)) - pixels(square)) ** 2)
        for name in list_family(family)
    ]
    assert errors == sorted(errors) and errors[0] < errors[-1] / 2


def test_jpeg_is_a_round_trip_at_that_quality_with_half_the_colour():
    square = make_image(3)
    once = Image.open(io.BytesIO(encode_image(square, "JPEG", quality=50, subsampling=2))).convert(
        "RGB"
    )
    assert BY_NAME["JPEG 50"].apply_to(square, FACE_ID) == once
    assert (
        BY_NAME["double JPEG 50, 90"].apply_to(square, FACE_ID)
        == BY_NAME["JPEG 90"].apply_to(once, FACE_ID)
        != once
    )


def test_sizes_and_crops():
    square = make_image(4, 200)
    sides = {
        "resize 0.25": 50,
        "resize 1.5": 300,
        "centre crop 0.75": 150,
        "screenshot": 180,
        "social network": 200,
    }
    assert {name: BY_NAME[name].apply_to(square, FACE_ID).width for name in sides} == sides
    assert BY_NAME["centre crop 0.5"].apply_to(square, FACE_ID) == square.crop((50, 50, 150, 150))


@pytest.mark.parametrize(
    "name, factor", [("brightness -20%", 0.8), ("brightness +10%", 1.1), ("brightness +20%", 1.2)]
)
def test_brightness_changes_by_what_it_says(name, factor):
    assert pixels(BY_NAME[name].apply_to(flat(100), FACE_ID)).mean() == pytest.approx(
        100 * factor, abs=1
    )


@pytest.mark.parametrize("name, factor", [("contrast -20%", 0.8), ("contrast +20%", 1.2)])
def test_contrast_changes_the_spread_and_not_the_mean(name, factor):
    square = make_image(5)
    distorted = pixels(BY_NAME[name].apply_to(square, FACE_ID).convert("L"))
    assert distorted.std() == pytest.approx(factor * pixels(square.convert("L")).std(), rel=0.03)
    assert distorted.mean() == pytest.approx(pixels(square.convert("L")).mean(), abs=1)


@pytest.mark.parametrize("sigma", [2, 5, 10, 20])
def test_noise_has_its_sigma_in_every_channel(sigma):
    distorted = pixels(BY_NAME[f"noise {sigma}"].apply_to(flat(128), FACE_ID))
    assert distorted.std(axis=(0, 1)) == pytest.approx([sigma] * 3, rel=0.05)
    assert np.corrcoef(distorted.reshape(-1, 3).T)[0, 1] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("name", ["noise 10", "social network"])
def test_another_image_has_another_draw(name):
    square = make_image(6, 200)
    assert BY_NAME[name].apply_to(square, "6" * 64) != BY_NAME[name].apply_to(square, FACE_ID)


def test_the_draws_are_the_same_on_every_machine():
    """If this fails, raise DISTORTIONS_VERSION, or cached scores would mix with other draws."""
    generator = BY_NAME["social network"].make_generator(FACE_ID)
    assert [round(generator.uniform(5 / 8, 1), 6), int(generator.integers(65, 101))] == [
        0.652186,
        83,
    ]


def test_social_network_keeps_at_least_five_eighths_of_the_side():
    """On a horizontal ramp, the range of grey levels gives the width of the crop."""
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1))).convert("RGB")
    widths = [
        np.ptp(pixels(BY_NAME["social network"].apply_to(ramp, f"{number}"))[100, :, 0]) / 255
        for number in range(40)
    ]
    assert 0.6 < min(widths) < 0.7 and 0.9 < max(widths) <= 1.0


def test_gamma_bends_grey_levels_and_keeps_black_and_white():
    levels = [
        BY_NAME["gamma 0.8"].apply_to(flat(grey), FACE_ID).getpixel((0, 0))[0]
        for grey in (0, 64, 255)
    ]
    assert levels == [0, round(255 * (64 / 255) ** 0.8), 255]
