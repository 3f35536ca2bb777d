"""Every setting shows in the image; batches are as large as memory allows."""

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

    def generate(prompt="a face", **changes) -> np.ndarray:
        changed = replace(generation, **changes)
        return decode_pixels(stable_diffusion_generator.generate_from_prompt(changed, prompt, 1))

    plain = generate()
    for other in (
        generate("an old man"),
        generate(negative_prompt="a hat"),
        generate(guidance=0),
        generate(steps=3),
    ):
        assert np.abs(other - plain).max() > 1


@pytest.mark.parametrize(
    "words",
    ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"],
)
def test_a_batch_that_does_not_fit_is_halved(tmp_path, model, words):
    request = make_request(tmp_path, model)
    loaded = pipeline_loader.load_pipeline(request.settings.generation)
    loaded.batch_size, batch_sizes = 4, []

    def fail_if_large(module, args) -> None:
        batch_sizes.append(args[0].shape[0])
        if args[0].shape[0] > 2:  # guidance doubles the batch
            raise torch.OutOfMemoryError(words) if "CUDA" in words else RuntimeError(words)

    hook = loaded.pipeline.unet.register_forward_pre_hook(fail_if_large)
    try:
        faces = generate_faces(request)
    finally:
        hook.remove()
    assert [face.seed for face, _ in faces] == [7, 8, 9, 10, 11]
    assert batch_sizes[:3] == [8, 4, 2] and max(batch_sizes[2:]) == 2 and loaded.batch_size == 1


def test_an_image_that_does_not_fit_alone_is_a_sentence_and_another_error_is_not(tmp_path, model):
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
