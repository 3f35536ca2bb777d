"""Reconstructions by a tiny autoencoder, with the spectra of their photographs."""

from dataclasses import replace

import numpy as np
import pytest

from data_collection import regenerate
from data_collection.dataset import manifest, stored_images
from data_collection.generation import reconstruction_generator
from data_collection.generation.spectrum_matching import measure_amplitudes
from data_collection.settings import CollectionSettings
from data_collection.sources.matched_reconstruction import MATCHED_RECONSTRUCTION
from data_collection.sources.reconstruction import RECONSTRUCTION
from runtime import atomic_files, console
from toys.diffusion import GENERATION_MARKS, decode_pixels
from toys.images import make_image
from toys.redrawn import build_row, make_redrawn_request, redraw

pytestmark = GENERATION_MARKS


@pytest.fixture
def request_of_two(tmp_path, model):
    return make_redrawn_request(tmp_path, model, [make_image(1), make_image(2, 120)])


def test_its_spectrum_is_the_photographs_and_the_plain_reconstructions_is_not(request_of_two):
    plain = {
        face.source_image: decode_pixels(data)
        for face, data in redraw(RECONSTRUCTION, request_of_two)
    }
    results = redraw(MATCHED_RECONSTRUCTION, request_of_two)
    assert len(results) == 2
    for face, data in results:
        record = next(row for row in request_of_two.photographs if row.id == face.source_image)
        original = stored_images.read_original(request_of_two.settings.folder, record)
        wanted = measure_amplitudes(
            np.asarray(reconstruction_generator.decode_square(original, 64), dtype=float)
        )[1:32]
        matched, other = (
            np.abs(measure_amplitudes(pixels.astype(float))[1:32] / wanted - 1).max()
            for pixels in (decode_pixels(data), plain[face.source_image])
        )
        assert matched < 0.35 < other
        assert face.drawn_with["spectrum"] and face.seed is None and face.retry is None


def test_it_is_made_again_from_its_row(tmp_path, model):
    # One photograph: in a batch of two the autoencoder's sums may round otherwise.
    request = make_redrawn_request(tmp_path, model, [make_image(1)])
    folder = request.settings.folder
    ((face, data),) = redraw(MATCHED_RECONSTRUCTION, request)
    row = replace(build_row(face), id="a" * 64, original="originals/matched.png")
    atomic_files.write_atomically(folder / row.original, data)
    made_again = regenerate._regenerate_bytes(row, [row, *request.photographs], folder)
    assert np.array_equal(decode_pixels(made_again), decode_pixels(data))


def test_a_strength_is_refused(tmp_path, model):
    request = make_redrawn_request(tmp_path, model, [make_image(1)], strength=0.5)
    with pytest.raises(console.PlainError, match="uses the autoencoder alone"):
        MATCHED_RECONSTRUCTION.check_request(request, [])


def test_it_has_a_name_of_its_own_and_needs_the_autoencoder_alone(request_of_two):
    assert (
        MATCHED_RECONSTRUCTION.make_name("9@a/b", CollectionSettings())
        == "a/b-matched-reconstruction"
    )
    MATCHED_RECONSTRUCTION.check_request(request_of_two, [])
    face = MATCHED_RECONSTRUCTION.list_candidates(request_of_two)[0]
    assert isinstance(build_row(face), manifest.FaceRecord) and face.may_be_soft
