"""Models load from weights of any layout, with any scheduler; damaged ones end in a sentence."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from data_collection.diffusion import pipeline_loader
from data_collection.generation import stable_diffusion_generator
from data_collection.images import decode, quality
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import (
    GENERATION_MARKS,
    convert_to_old_layout,
    decode_pixels,
    generate_faces,
    make_request,
)

pytestmark = GENERATION_MARKS


@pytest.mark.parametrize("scheduler", pipeline_loader.SCHEDULERS)
def test_every_scheduler_generates(tmp_path, model, scheduler):
    generation = replace(
        make_request(tmp_path, model).settings.generation, scheduler=scheduler, steps=3
    )
    loaded = pipeline_loader.load_pipeline(generation)
    assert type(loaded.pipeline.scheduler).__name__ == (
        pipeline_loader.SCHEDULERS[scheduler] or "PNDMScheduler"
    )
    assert not quality.is_single_colour(
        decode.decode_face(stable_diffusion_generator.generate_from_prompt(generation, "a face", 1))
    )


def test_without_the_safety_checker_the_same_seeds_are_seen(tmp_path, checked):
    faces = generate_faces(make_request(tmp_path, checked, 2, safety_checker=False))
    assert not any(quality.is_single_colour(decode.decode_face(data)) for _, data in faces)
    assert (
        pipeline_loader.load_pipeline(
            make_request(tmp_path, checked, safety_checker=False).settings.generation
        ).pipeline.safety_checker
        is None
    )


def make_short_request(folder, model, count, **generation):
    """Make a request whose prompt the toy's tokenizer, which spells, does not cut."""
    folder.mkdir(exist_ok=True)
    (folder / "short.txt").write_text("a face\n")
    request = make_request(folder, model, count, **generation)
    prompts = replace(
        request.settings.prompt_settings, prompts=f"file:{folder / 'short.txt'}", prompt_count=1
    )
    return replace(request, settings=replace(request.settings, prompt_settings=prompts))


def test_pickled_weights_of_2022_give_the_same_quietly(tmp_path, checked, capfd):
    old = tmp_path / "old"
    shutil.copytree(checked, old)
    convert_to_old_layout(old)
    new_png, old_png = (
        generate_faces(make_short_request(tmp_path / name, folder, 1, safety_checker=False))[0][1]
        for name, folder in (("a", checked), ("b", old))
    )
    assert np.array_equal(decode_pixels(new_png), decode_pixels(old_png))
    assert STABLE_DIFFUSION.list_candidates(make_short_request(tmp_path, old, 1))
    assert generate_faces(make_short_request(tmp_path / "c", old, 1))
    printed = capfd.readouterr()
    assert not [
        line for line in (printed.out + printed.err).splitlines() if "prompts by" not in line
    ]


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_damaged_weights_are_a_sentence(tmp_path, model, part):
    broken = shutil.copytree(model, tmp_path / "broken")
    weights = broken / part / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(console.PlainError, match="is damaged") as caught:
        generate_faces(make_request(tmp_path, broken, 1))
    assert caught.value.exit_code == console.EXIT_BAD_MODEL and caught.value.__suppress_context__


def test_a_model_that_has_half_precision_files_only_is_loaded_too(tmp_path, model):
    half = shutil.copytree(model, tmp_path / "half")
    for file in half.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert np.array_equal(
        *(
            decode_pixels(generate_faces(make_request(tmp_path, folder, 1))[0][1])
            for folder in (half, model)
        )
    )
