"""Generate a part of a photograph anew with Stable Diffusion; the other pixels stay as they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from data_collection.diffusion import batching, pipeline_loader, sampling
from data_collection.diffusion.pipeline_cache import LoadedPipeline
from data_collection.generation import diffusion_request, reconstruction_generator
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.generation.face_generator import GeneratorInput
from data_collection.generation.stable_diffusion_generator import count_sampling_passes
from data_collection.settings import GenerationSettings

INPAINTING_STRENGTH = 1.0
"""The part starts from noise alone."""


@dataclass(frozen=True)
class InpaintingGenerator:
    """The FaceGenerator that starts from a square photograph, a mask and a seed.

    Attributes:
        generation: the model and its settings; its strength does not count.
        revision: the commit on the hub; the newest if empty.
    """

    generation: GenerationSettings
    revision: str = ""

    def check(self) -> None:
        diffusion_request.check_scheduler(self.generation)

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        """Yield one PNG per photograph; all photographs have one size."""
        loaded = pipeline_loader.load_pipeline(self.generation, self.revision)
        yield from batching.generate_in_batches(
            inputs,
            loaded,
            lambda batch: sampling.encode_pngs(inpaint_images(loaded, self.generation, batch)),
        )

    @property
    def environment(self) -> Mapping[str, object]:
        return pipeline_loader.load_pipeline(self.generation, self.revision).environment


def count_inpainting_passes(generation: GenerationSettings) -> float:
    """Return the passes of the UNet for one image; encoding the photograph counts as some."""
    return count_sampling_passes(generation) + 2 * DECODER_COST_IN_PASSES


def inpaint_images(
    loaded: LoadedPipeline, generation: GenerationSettings, inputs: Sequence[GeneratorInput]
) -> list[Image.Image]:
    """Generate the masked part of square photographs of one size.

    The pipeline passes the whole picture through the autoencoder, so the photograph is laid over
    its result again, where the mask is dark: as editors do it, and so that only the part differs.
    """
    import diffusers

    photos = [face_input.load_photo() for face_input in inputs]
    masks = [face_input.mask for face_input in inputs]
    width, height = photos[0].size
    generated = reconstruction_generator.redraw_images(
        diffusers.AutoPipelineForInpainting,
        loaded,
        generation,
        [face_input.seed for face_input in inputs],
        {
            "image": photos,
            "mask_image": [mask.point(lambda level: 255 if level else 0) for mask in masks],
            "width": width,
            "height": height,
            "strength": INPAINTING_STRENGTH,
        },
    )
    return [
        # All black means that the safety checker rejected it; the whole picture then says so.
        Image.composite(image, photo, mask) if image.getbbox() else image
        for image, photo, mask in zip(generated, photos, masks, strict=True)
    ]
