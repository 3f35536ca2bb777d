"""A model is loaded from weights of any layout, with any scheduler; damaged ones end in a sentence."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from data_collection import console, diffusion_artist, face_images, stable_diffusion
from data_collection.stable_diffusion import STABLE_DIFFUSION
from toy_diffusion import DRAWS, asked, drawn, make_old, pixels

pytestmark = DRAWS


@pytest.mark.parametrize("scheduler", diffusion_artist.SCHEDULERS)
def test_every_scheduler_draws(tmp_path, model, scheduler):
    drawing = replace(asked(tmp_path, model).settings.drawing, scheduler=scheduler, steps=3)
    artist = diffusion_artist.load(drawing)
    assert type(artist.pipe.scheduler).__name__ == (diffusion_artist.SCHEDULERS[scheduler] or "PNDMScheduler")
    assert not face_images.is_single_colour(face_images.decode(stable_diffusion.draw_one(artist, drawing, "a face", 1)))


def test_without_the_safety_checker_the_same_seeds_are_seen(tmp_path, checked):
    made = drawn(asked(tmp_path, checked, 2, safety_checker=False))
    assert not any(face_images.is_single_colour(face_images.decode(data)) for _, data in made)
    assert diffusion_artist.load(asked(tmp_path, checked, safety_checker=False).settings.drawing).pipe.safety_checker is None


def test_pickled_weights_of_2022_draw_the_same_quietly(tmp_path, checked, capfd):
    old = tmp_path / "old"
    shutil.copytree(checked, old)
    make_old(old)
    new, then = (
        drawn(asked(tmp_path / name, folder, 1, safety_checker=False))[0][1] for name, folder in (("a", checked), ("b", old))
    )
    assert np.array_equal(pixels(new), pixels(then))
    assert STABLE_DIFFUSION.find(asked(tmp_path, old, 1)) and drawn(asked(tmp_path / "c", old, 1))
    printed = capfd.readouterr()
    assert not [line for line in (printed.out + printed.err).splitlines() if "prompts by" not in line]


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_damaged_weights_are_a_sentence(tmp_path, model, part):
    broken = shutil.copytree(model, tmp_path / "broken")
    weights = broken / part / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(console.PlainError, match="is damaged") as caught:
        drawn(asked(tmp_path, broken, 1))
    assert caught.value.exit_code == console.BAD_MODEL and caught.value.__suppress_context__


def test_a_model_that_has_half_precision_files_only_is_loaded_too(tmp_path, model):
    half = shutil.copytree(model, tmp_path / "half")
    for file in half.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert np.array_equal(*(pixels(drawn(asked(tmp_path, folder, 1))[0][1]) for folder in (half, model)))
