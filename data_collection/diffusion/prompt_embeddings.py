"""Say a prompt to a pipeline, in the way that its class takes prompts and settings."""

import inspect
from collections.abc import Collection, Sequence

from data_collection.diffusion.pipeline_cache import LoadedPipeline
from data_collection.settings import GenerationSettings

# The results of a pipeline's `encode_prompt`, by the keywords under which the pipeline takes them.
PROMPT_EMBEDDING_NAMES = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)

FIXED_OPTIONS = {"use_resolution_binning": False, "clean_caption": False}
"""Options of PixArt's pipelines: no other size than the given one, no package that is missing."""


def encode_prompt(pipeline, generation: GenerationSettings, text: str) -> dict[str, object]:
    """Return Stable Diffusion's embeddings of one prompt and of the negative prompt.

    Their shapes are (1, 77, width) and, with SDXL, (1, width).
    """
    import torch

    is_guided = generation.guidance > 1 and pipeline.unet.config.time_cond_proj_dim is None
    # None and "" differ for SDXL, which was trained with zeros for no prompt.
    with torch.inference_mode():
        embeddings = pipeline.encode_prompt(
            prompt=text,
            negative_prompt=generation.negative_prompt or None,
            device=pipeline.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=is_guided,
        )
    return {
        name: embedding
        for name, embedding in zip(PROMPT_EMBEDDING_NAMES, embeddings, strict=False)
        if embedding is not None
    }


def count_cut_prompts(loaded: LoadedPipeline, prompts: Collection[str]) -> int:
    """Return how many prompts are longer than what Stable Diffusion's CLIP reads.

    0 for other pipelines, whose T5 reads more than an accepted prompt has.
    """
    if not loaded.encode_prompt:
        return 0
    names = ("tokenizer", "tokenizer_2")
    tokenizers = [getattr(loaded.pipeline, name, None) for name in names]
    return sum(
        any(
            len(tokenizer(text).input_ids) > tokenizer.model_max_length
            for tokenizer in tokenizers
            if tokenizer
        )
        for text in prompts
    )


def build_prompt_options(
    loaded: LoadedPipeline, generation: GenerationSettings, prompts: Sequence[str]
) -> dict[str, object]:
    """Return the keywords of a pipeline that stand for prompts, steps and guidance."""
    import torch

    settings = {"num_inference_steps": generation.steps, "guidance_scale": generation.guidance}
    if loaded.encode_prompt:
        encoded = [loaded.encode_prompt(text) for text in prompts]
        embeddings = {key: torch.cat([prompt[key] for prompt in encoded]) for key in encoded[0]}
        return {**embeddings, **settings}
    options = {"prompt": list(prompts), **settings, **FIXED_OPTIONS}
    if generation.negative_prompt:
        options["negative_prompt"] = [generation.negative_prompt] * len(prompts)
    accepted = inspect.signature(loaded.pipeline.__call__).parameters
    return {name: value for name, value in options.items() if name in accepted}
