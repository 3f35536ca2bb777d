"""Generate faces from prompts and seeds with Stable Diffusion."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_collection.diffusion import pipeline_loader
from data_collection.diffusion.batching import generate_in_batches
from data_collection.diffusion.prompt_embeddings import count_cut_prompts
from data_collection.diffusion.sampling import encode_pngs, sample_images
from data_collection.generation import diffusion_request
from data_collection.generation.diffusion_requirements import DECODER_COST_IN_PASSES
from data_collection.generation.face_generator import GeneratorInput
from data_collection.settings import GenerationSettings
from runtime import console
from runtime.terminal.counting import choose_verb


@dataclass(frozen=True)
class StableDiffusionGenerator:
    """The FaceGenerator that generates from a prompt and a seed.

    Attributes:
        generation: the model, its scheduler, steps, size and so on.
        revision: the commit on the hub; the newest if empty.
    """

    generation: GenerationSettings
    revision: str = ""

    def check(self) -> None:
        diffusion_request.check_scheduler(self.generation)

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        loaded = pipeline_loader.load_pipeline(self.generation, self.revision)
        yield from generate_in_batches(
            inputs,
            loaded,
            lambda batch: encode_pngs(
                sample_images(
                    loaded,
                    self.generation,
                    [face_input.prompt for face_input in batch],
                    [face_input.seed for face_input in batch],
                )
            ),
        )

    def warn_of_cut_prompts(self, prompts: Collection[str]) -> None:
        """Say how many prompts are longer than the model reads; loads it."""
        loaded = pipeline_loader.load_pipeline(self.generation, self.revision)
        if n_cut := count_cut_prompts(loaded, prompts):
            console.print_warning(
                f"{n_cut} of {len(prompts)} prompts {choose_verb(n_cut, 'is', 'are')} longer than "
                "CLIP "
                f"reads; the end is not drawn. Shorten {choose_verb(n_cut, 'it', 'them')} to about "
                "50 words, or give --prompt-style short."
            )

    @property
    def environment(self) -> Mapping[str, object]:
        return pipeline_loader.load_pipeline(self.generation, self.revision).environment


def count_sampling_passes(generation: GenerationSettings) -> float:
    """Return the passes of the UNet for one image; the decoder counts as some."""
    return generation.steps * (2 if generation.guidance > 1 else 1) + DECODER_COST_IN_PASSES


def generate_from_prompt(
    generation: GenerationSettings, prompt: str, seed: int, revision: str = ""
) -> bytes:
    """Return one image alone, without the fallback to smaller batches, as a PNG file."""
    loaded = pipeline_loader.load_pipeline(generation, revision)
    return encode_pngs(sample_images(loaded, generation, [prompt], [seed]))[0]
