"""A picture takes on the amplitudes of another one and keeps its phases."""

import numpy as np
from PIL import Image, ImageFilter

from data_collection.generation.spectrum_matching import match_spectrum, measure_amplitudes
from toys.images import make_image


def measure(picture: Image.Image) -> np.ndarray:
    return measure_amplitudes(np.asarray(picture, dtype=np.float64))


def test_a_softened_picture_gets_the_amplitudes_of_its_original_back():
    original = make_image(1, 128)
    soft = original.filter(ImageFilter.GaussianBlur(0.8))
    matched = match_spectrum(soft, original)
    rings = slice(1, 64)  # beyond, in the corners of the spectrum, rounding weighs more
    before, after = (
        measure(picture)[rings] / measure(original)[rings] for picture in (soft, matched)
    )
    assert before.min() < 0.4 and np.abs(after - 1).max() < 0.1


def test_another_picture_keeps_its_content():
    picture, original = make_image(2, 96), make_image(3, 96)
    matched = match_spectrum(picture, original)

    def correlate(first: Image.Image, second: Image.Image) -> float:
        return np.corrcoef(np.asarray(first).ravel(), np.asarray(second).ravel())[0, 1]

    assert correlate(matched, picture) > 0.6 > 0.3 > correlate(matched, original)


def test_a_picture_matched_with_itself_is_unchanged():
    for side in (64, 65):
        picture = make_image(4, side)
        assert np.array_equal(np.asarray(match_spectrum(picture, picture)), np.asarray(picture))
