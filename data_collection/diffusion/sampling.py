"""Pictures by a loaded model, as many at a time as fit into memory."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from data_collection.diffusion.pipeline_loader import LoadedPipeline
from data_collection.settings import GenerationSettings


def sample_images(
    artist: LoadedPipeline,
    drawing: GenerationSettings,
    prompts: Sequence[str],
    seeds: Sequence[int],
    **more,
) -> list[bytes]:
    """Draws one picture for every pair of prompt and seed; returns PNG files.

    An image does not depend on the others of its batch: drawn alone it differs by one grey level at most (measured in
    single precision on a CPU), because each has a generator of its own; on the CPU, so that a seed means the same everywhere.
    `more` goes to the pipeline; it may name another one as `pipe`.
    """
    import numpy as np
    import torch

    pipe = more.pop("pipe", artist.pipe)
    encoded = [artist.encode(text) for text in prompts]
    words = {key: torch.cat([each[key] for each in encoded]) for key in encoded[0]}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    # Half precision may end in NaN; those pixels become black, which the walk looks for.
    with torch.inference_mode(), np.errstate(invalid="ignore"):
        steps = {"num_inference_steps": drawing.steps, "guidance_scale": drawing.guidance}
        return encode_pngs(
            pipe(
                **words, generator=generators, **steps, **(more or _get_output_size(drawing))
            ).images
        )


def _get_output_size(drawing: GenerationSettings) -> dict[str, int]:
    return {"height": drawing.generation_size, "width": drawing.generation_size}


def encode_pngs(pictures: Sequence) -> list[bytes]:
    def encoded(picture) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(encoded, pictures))
