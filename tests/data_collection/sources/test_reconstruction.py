"""Reconstructions by the toy's autoencoder and by its image-to-image."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from data_collection.dataset import manifest, stored_images
from data_collection.diffusion import model_location
from data_collection.generation import reconstruction_generator
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import SourceRequest
from data_collection.sources import reconstruction
from data_collection.sources.reconstruction import RECONSTRUCTION
from runtime import atomic_files, console, hashing
from toys.diffusion import GENERATED_SIDE_PX, GENERATION_MARKS, decode_pixels
from toys.images import encode_image, make_image
from toys.model_hub import HUB_COMMIT, serve_hub

pytestmark = GENERATION_MARKS


def save_photograph(folder, number: int, side: int) -> manifest.FaceRecord:
    """Save a collected photograph, wider than it is high."""
    wide = make_image(number, side + 20).crop((0, 0, side + 20, side))
    data = encode_image(wide, "JPEG", quality=95)
    record = manifest.FaceRecord(
        id=hashing.hash_bytes(data),
        label="real",
        source="photos",
        file=f"{number}.jpg",
        status="accepted",
    )
    atomic_files.write_atomically(folder / "originals" / f"{number}.jpg", data)
    return replace(record, original=f"originals/{number}.jpg", width=wide.width, height=wide.height)


def make_request(
    folder, model, argument="5", sides=(96, 96, 50, 96, 96, 96), **generation
) -> SourceRequest:
    generation = GenerationSettings(
        model=str(model), **{"steps": 4, "generation_size": GENERATED_SIDE_PX, **generation}
    )
    settings = CollectionSettings(data=folder, seed=3, generation=generation)
    photographs = [
        save_photograph(settings.folder, number, side) for number, side in enumerate(sides)
    ]
    return SourceRequest(
        argument=argument,
        source_name="tiny-reconstruction",
        settings=settings,
        photographs=photographs,
    )


def reconstruct(request: SourceRequest) -> list:
    faces = RECONSTRUCTION.list_candidates(request)
    return list(faces[0].load_many(faces))


def build_row(face) -> manifest.FaceRecord:
    recorded = json.loads(json.dumps(dict(face.drawn_with)))
    return manifest.FaceRecord(
        id="0",
        label="generated",
        source=face.source,
        file=face.file,
        status="accepted",
        seed=face.seed,
        drawn_with=recorded,
    )


@pytest.mark.parametrize("strength", [0, 0.5])
def test_every_photograph_has_one_reconstruction_that_knows_it(tmp_path, model, strength):
    request = make_request(tmp_path, model, strength=strength)
    faces = {face.source_image: (face, decode_pixels(data)) for face, data in reconstruct(request)}
    assert list(faces) != [] and set(faces) == {record.id for record in request.photographs[:5]}
    for number, record in enumerate(request.photographs[:5]):
        face, pixels = faces[record.id]
        assert face.file == f"{record.id[:16]}.png" and not face.prompt and face.stable
        assert face.seed == (3 + number if strength else None)
        # The third is smaller than --generation-size: it keeps its size, rounded down to eights.
        assert (
            pixels.shape
            == ((48, 48, 3) if number == 2 else (GENERATED_SIDE_PX, GENERATED_SIDE_PX, 3))
            == (face.drawn_with["size"],) * 2 + (3,)
        )
        assert (
            face.drawn_with["torch"] == torch.__version__
            and face.drawn_with["strength"] == strength
        )


@pytest.mark.parametrize("strength", [0, 0.5])
def test_a_reconstruction_made_again_alone_from_its_row_is_the_same(tmp_path, model, strength):
    request = make_request(tmp_path, model, strength=strength)
    for face, data in reconstruct(request)[1:3]:
        original = next(record for record in request.photographs if record.id == face.source_image)
        again = reconstruction.regenerate_reconstruction(
            build_row(face), stored_images.read_original(request.settings.folder, original)
        )
        assert np.abs(decode_pixels(again) - decode_pixels(data)).max() <= 1
        assert np.abs(decode_pixels(face.load()) - decode_pixels(data)).max() <= 1
    with pytest.raises(console.PlainError, match="not a reconstruction"):
        reconstruction.regenerate_reconstruction(
            replace(build_row(face), drawn_with={"model": "x"}), b""
        )


def test_the_autoencoder_sees_the_photograph_and_no_chance(tmp_path, model):
    request = make_request(tmp_path, model, "2")
    first, second = (decode_pixels(data) for _, data in reconstruct(request))
    assert np.abs(first - second).max() > 5
    changed = replace(request, settings=replace(request.settings, seed=99))
    assert np.array_equal(decode_pixels(reconstruct(changed)[0][1]), first)
    loaded = reconstruction_generator.load_reconstruction_pipeline(request.settings.generation)
    assert (
        type(loaded.pipeline).__name__ == "AutoencoderKL"
        and RECONSTRUCTION.list_candidates(request)[0].retry is None
    )


def test_what_the_autoencoder_is_given_is_what_it_gives_back(tmp_path, model):
    """An autoencoder that returns its input (the toy's is random) keeps size and values."""
    request = make_request(tmp_path, model, "1")
    loaded = reconstruction_generator.load_reconstruction_pipeline(request.settings.generation)
    captured = {}
    hooks = [
        loaded.pipeline.encoder.register_forward_pre_hook(
            lambda module, args: captured.update(pixels=args[0])
        ),
        loaded.pipeline.decoder.register_forward_hook(lambda module, args, out: captured["pixels"]),
    ]
    try:
        (_, data), *_ = reconstruct(request)
    finally:
        for hook in hooks:
            hook.remove()
    photograph = stored_images.read_original(request.settings.folder, request.photographs[0])
    expected = np.asarray(
        reconstruction_generator.decode_square(photograph, GENERATED_SIDE_PX), dtype=int
    )
    assert np.abs(decode_pixels(data) - expected).max() <= 1


def test_a_strength_draws_from_the_photograph_and_the_seed(tmp_path, model):
    weak, strong, other = (
        decode_pixels(
            reconstruct(replace(request, settings=replace(request.settings, seed=seed)))[0][1]
        )
        for request, seed in (
            (make_request(tmp_path, model, "1", strength=0.25), 3),
            (make_request(tmp_path, model, "1", strength=1), 3),
            (make_request(tmp_path, model, "1", strength=0.25), 4),
        )
    )
    assert np.abs(weak - strong).max() > 5 and np.abs(weak - other).max() > 1


def test_a_black_reconstruction_gets_another_seed_if_there_is_chance_in_it(tmp_path, model):
    face = RECONSTRUCTION.list_candidates(make_request(tmp_path, model, "1", strength=0.5))[0]
    chain = [face]
    while chain[-1].retry:
        chain.append(chain[-1].retry())
    assert [candidate.seed for candidate in chain] == [
        3 + 1_000_000 * attempt for attempt in range(6)
    ]
    assert len({candidate.file for candidate in chain}) == 6 and {
        candidate.source_image for candidate in chain
    } == {face.source_image}
    assert len({candidate.load_many for candidate in chain}) == 1


def test_a_batch_that_does_not_fit_is_halved(tmp_path, model):
    request = make_request(tmp_path, model)
    loaded = reconstruction_generator.load_reconstruction_pipeline(request.settings.generation)
    loaded.batch_size = 4

    def fail_if_large(module, args) -> None:
        if args[0].shape[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = loaded.pipeline.encoder.register_forward_pre_hook(fail_if_large)
    try:
        assert len(reconstruct(request)) == 5
    finally:
        hook.remove()
    assert loaded.batch_size == 1


def test_a_strength_that_leaves_no_step_is_refused(tmp_path, model):
    with pytest.raises(console.PlainError, match="leaves no step"):
        RECONSTRUCTION.check_request(make_request(tmp_path, model, strength=0.2), [])
    RECONSTRUCTION.check_request(make_request(tmp_path, model, strength=0.25), [])


def test_there_are_no_more_reconstructions_than_photographs(tmp_path, model, capsys):
    assert (
        len(RECONSTRUCTION.list_candidates(make_request(tmp_path, model, "700", sides=(96, 96))))
        == 2
    )
    assert (
        RECONSTRUCTION.list_candidates(replace(make_request(tmp_path, model), photographs=())) == []
    )
    assert "each photograph is used once, and there are 2" in capsys.readouterr().err


def test_the_autoencoder_alone_and_image_to_image_are_two_sources():
    settings = CollectionSettings()
    assert (
        RECONSTRUCTION.make_name("300@stabilityai/sd-turbo", settings)
        == "stabilityai/sd-turbo-reconstruction"
    )
    settings = replace(settings, generation=replace(settings.generation, strength=0.5))
    assert (
        RECONSTRUCTION.make_name("300@stabilityai/sd-turbo", settings)
        == "stabilityai/sd-turbo-redrawn-0.5"
    )


def test_the_autoencoder_alone_is_fetched_from_the_hub(tmp_path, model, empty_cache):
    with serve_hub({"toys/tiny": model}) as url:
        empty_cache(url)
        request = make_request(tmp_path, "toys/tiny", "1")
        requirements = {
            requirement.name: requirement
            for requirement in RECONSTRUCTION.list_requirements(request)
        }
        assert requirements["the model toys/tiny"].met
        assert requirements["disk for the model"].met
        face, _ = reconstruct(request)[0]
    assert face.drawn_with["revision"] == HUB_COMMIT
    parts = {path.parent.name for path in (tmp_path / "hub").rglob("snapshots/*/*/*")}
    assert parts == {"vae"}
    assert model_location.locate_model("toys/tiny", only="vae").status == "is in the cache"
