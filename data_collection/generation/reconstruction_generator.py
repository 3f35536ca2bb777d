"""Reconstruct photographs with Stable Diffusion: its autoencoder alone, or image-to-image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from data_collection.diffusion import batching, pipeline_cache, pipeline_loader, sampling
from data_collection.diffusion.pipeline_cache import LoadedPipeline
from data_collection.generation import diffusion_request
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.generation.face_generator import GeneratorInput
from data_collection.images import decode
from data_collection.settings import GenerationSettings
from runtime import console

RECONSTRUCTION_PROMPT = "a photo of a face"
"""The prompt of image-to-image. It is not in the `prompt` of the rows: a prompt that all share
would put them all into one group."""

AUTOENCODER_STRIDE_PX = 8
"""Autoencoders downsample by this factor; sides are multiples of it."""


@dataclass(frozen=True)
class ReconstructionGenerator:
    """The FaceGenerator that starts from a square photograph, and with a strength from a seed too.

    Attributes:
        generation: the model, the strength and so on.
        revision: the commit on the hub; the newest if empty.
    """

    generation: GenerationSettings
    revision: str = ""

    def check(self) -> None:
        diffusion_request.check_scheduler(self.generation)
        strength, steps = self.generation.strength, self.generation.steps
        if strength and not int(steps * strength):
            raise console.PlainError(
                f"--strength {strength} of --steps {steps} leaves no step to run; give "
                f"--strength 0 for the autoencoder alone, or at least {1 / steps:.2g}."
            )

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        """Yield one PNG per photograph; all photographs have one size."""
        loaded = load_reconstruction_pipeline(self.generation, self.revision)
        yield from batching.generate_in_batches(
            inputs,
            loaded,
            lambda batch: reconstruct_images(
                loaded,
                self.generation,
                [face_input.load_photo() for face_input in batch],
                [face_input.seed for face_input in batch],
            ),
        )

    @property
    def environment(self) -> Mapping[str, object]:
        return load_reconstruction_pipeline(self.generation, self.revision).environment


def count_reconstruction_passes(generation: GenerationSettings) -> float:
    """Return the passes of the UNet for one image; the autoencoder counts as some."""
    return (
        int(generation.steps * generation.strength) * (2 if generation.guidance > 1 else 1)
        + 2 * DECODER_COST_IN_PASSES
    )


def compute_reconstruction_side(shorter: int, generation: GenerationSettings) -> int:
    """Return the side of a reconstruction in pixels, at most the photograph's shorter side.

    Enlarging would leave a trace on one class only.
    """
    return max(
        AUTOENCODER_STRIDE_PX,
        min(generation.generation_size, shorter // AUTOENCODER_STRIDE_PX * AUTOENCODER_STRIDE_PX),
    )


def decode_square(photograph: bytes, side: int) -> Image.Image:
    """Return the centre square of a photograph's bytes, side x side pixels."""
    return decode.decode_face(photograph).square.resize((side, side), Image.Resampling.LANCZOS)


def load_reconstruction_pipeline(
    generation: GenerationSettings, revision: str = ""
) -> LoadedPipeline:
    """Load the autoencoder; with a strength the whole model, which may be loaded already."""
    if generation.strength:
        # All strengths share one pipeline, with generation from prompts, too.
        return pipeline_loader.load_pipeline(replace(generation, strength=0.0), revision)
    return pipeline_cache.PIPELINE_CACHE.get(
        ("autoencoder", generation.model, revision),
        lambda: _load_autoencoder(generation, revision),
    )


def _load_autoencoder(generation: GenerationSettings, revision: str) -> LoadedPipeline:
    """Load it in single precision always: SDXL's own autoencoder ends in NaN in half precision."""
    pipeline_loader.silence_libraries()
    import diffusers

    return pipeline_loader.load_pretrained(
        diffusers.AutoencoderKL, generation, revision, "float32", {}, only="vae"
    )


def reconstruct_images(
    loaded: LoadedPipeline,
    generation: GenerationSettings,
    images: Sequence[Image.Image],
    seeds: Sequence[int | None],
) -> list[bytes]:
    """Encode and decode square images of one size; with a strength, image-to-image; return PNGs."""
    if not generation.strength:
        return sampling.encode_pngs(_encode_and_decode(loaded, images))
    import diffusers

    options = {"image": list(images), "strength": generation.strength}
    return sampling.encode_pngs(
        redraw_images(diffusers.AutoPipelineForImage2Image, loaded, generation, seeds, options)
    )


def redraw_images(
    kind: type,
    loaded: LoadedPipeline,
    generation: GenerationSettings,
    seeds: Sequence[int],
    options: Mapping[str, object],
) -> list[Image.Image]:
    """Run another pipeline on the parts of a loaded one, with RECONSTRUCTION_PROMPT.

    Args:
        kind: the automatic pipeline of diffusers for the task.
        options: keywords of the pipeline, such as `image` and `strength`.
    """
    if loaded.encode_prompt is None:
        raise console.PlainError(
            f"{generation.model} generates from prompts alone here; to redraw photographs, give a "
            "model of Stable Diffusion 1, 2 or XL."
        )
    pipeline = kind.from_pipe(loaded.pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return sampling.sample_images(
        replace(loaded, pipeline=pipeline),
        generation,
        [RECONSTRUCTION_PROMPT] * len(seeds),
        seeds,
        options,
    )


def _encode_and_decode(loaded: LoadedPipeline, images: Sequence[Image.Image]) -> list[Image.Image]:
    """Encode to the most likely latents and decode them; nothing is random."""
    import torch
    from diffusers.image_processor import VaeImageProcessor

    processor = VaeImageProcessor(vae_scale_factor=AUTOENCODER_STRIDE_PX)
    with torch.inference_mode():
        pixels = processor.preprocess(list(images)).to(loaded.device)
        latents = loaded.pipeline.encode(pixels).latent_dist.mode()
        return processor.postprocess(loaded.pipeline.decode(latents).sample, output_type="pil")
