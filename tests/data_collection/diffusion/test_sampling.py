"""Everything that is asked for shows in the picture; as many are painted at a time as fit into memory."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data_collection.diffusion import pipeline_loader
from data_collection.generation import stable_diffusion_generator
from runtime import console
from toys.diffusion import GENERATION_MARKS, decode_pixels, generate_faces, make_request

pytestmark = GENERATION_MARKS


def test_the_prompt_the_negative_prompt_and_the_guidance_count(tmp_path, model):
    generation = make_request(tmp_path, model).settings.generation

    def draw(prompt="a face", **changes) -> np.ndarray:
        changed = replace(generation, **changes)
        return decode_pixels(stable_diffusion_generator.generate_from_prompt(changed, prompt, 1))

    plain = draw()
    for other in (
        draw("an old man"),
        draw(negative_prompt="a hat"),
        draw(guidance=0),
        draw(steps=3),
    ):
        assert np.abs(other - plain).max() > 1


@pytest.mark.parametrize(
    "words",
    ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"],
)
def test_a_batch_that_does_not_fit_is_halved(tmp_path, model, words):
    request = make_request(tmp_path, model)
    loaded = pipeline_loader.load_pipeline(request.settings.generation)
    loaded.batch_size, tried = 4, []

    def small(module, args) -> None:
        tried.append(args[0].shape[0])
        if args[0].shape[0] > 2:  # guidance doubles the batch
            raise torch.OutOfMemoryError(words) if "CUDA" in words else RuntimeError(words)

    hook = loaded.pipeline.unet.register_forward_pre_hook(small)
    try:
        made = generate_faces(request)
    finally:
        hook.remove()
    assert [face.seed for face, _ in made] == [7, 8, 9, 10, 11]
    assert tried[:3] == [8, 4, 2] and max(tried[2:]) == 2 and loaded.batch_size == 1


def test_a_picture_that_does_not_fit_alone_is_a_sentence_and_another_error_is_not(tmp_path, model):
    request = make_request(tmp_path, model, 2)
    loaded = pipeline_loader.load_pipeline(request.settings.generation)
    for error, expected, words in (
        (torch.OutOfMemoryError("out of memory"), console.PlainError, "--generation-size"),
        (RuntimeError("shapes differ"), RuntimeError, "shapes differ"),
    ):

        def fail(module, args, error=error) -> None:
            raise error

        hook = loaded.pipeline.unet.register_forward_pre_hook(fail)
        try:
            with pytest.raises(expected, match=words):
                generate_faces(request)
        finally:
            hook.remove()
