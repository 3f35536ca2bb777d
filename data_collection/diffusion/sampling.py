"""Generate images with a loaded pipeline; encode images as PNG files."""

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from data_collection.diffusion.pipeline_cache import LoadedPipeline
from data_collection.diffusion.prompt_embeddings import build_prompt_options
from data_collection.images import encode
from data_collection.settings import GenerationSettings


def sample_images(
    loaded: LoadedPipeline,
    generation: GenerationSettings,
    prompts: Sequence[str],
    seeds: Sequence[int],
    pipeline_options: Mapping[str, object] | None = None,
) -> list[Image.Image]:
    """Generate one image for every pair of prompt and seed.

    An image does not depend on the others of its batch: generated alone it differs by one grey
    level at most (measured in single precision on a CPU), because each has a random generator of
    its own; on the CPU, so that a seed means the same on every device.

    Args:
        pipeline_options: further keywords of the pipeline in place of height and width, such as
            `image` and `strength` of image-to-image.
    """
    import numpy as np
    import torch

    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    options = pipeline_options or {
        "height": generation.generation_size,
        "width": generation.generation_size,
    }
    # Half precision may end in NaN; those pixels become black, and ingesting rejects the image.
    with torch.inference_mode(), np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecations inside diffusers
        return loaded.pipeline(
            **build_prompt_options(loaded, generation, prompts),
            generator=generators,
            **options,
        ).images


def encode_pngs(images: Sequence[Image.Image]) -> list[bytes]:
    """Return the PNG files of images, encoded in parallel."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(encode.encode_png, images))
