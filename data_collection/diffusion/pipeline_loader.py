"""Loads a Stable Diffusion model, ready to draw; one at a time."""

import functools
import os
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data_collection.diffusion import compute_device, model_location
from data_collection.diffusion.model_location import ModelLocation
from data_collection.settings import GenerationSettings
from runtime import console

SCHEDULERS = {
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "ddim": "DDIMScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
    "own": None,
}

# What `encode_prompt` of a pipeline returns, by the name under which drawing takes it.
PROMPT_EMBEDDING_NAMES = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)

# The smaller download of half precision where the model has one; for single precision only where no other is.
WEIGHT_VARIANTS = {"float16": ("fp16", None), "float32": (None, "fp16")}


@dataclass
class LoadedPipeline:
    """A loaded model.

    Attributes:
        pipe: of diffusers.
        device: "cuda:0", "mps", "cpu".
        facts: what `drawn_with` learns only now: revision, dtype, device, versions.
        batch: as many images as are drawn at a time; halved when they do not fit.
        encode: embeddings of a prompt, by the name under which `pipe` takes them; kept.
    """

    pipe: object
    device: str
    facts: Mapping[str, object]
    batch: int
    encode: Callable[[str], Mapping[str, object]] | None = None


_cached_pipelines: dict[object, LoadedPipeline] = {}


def get_cached_pipeline(key: object, make: Callable[[], LoadedPipeline]) -> LoadedPipeline:
    """The artist under a key, made at its first use; only one at a time, because two may not fit."""
    if key not in _cached_pipelines:
        _cached_pipelines.clear()
        _cached_pipelines[key] = make()
    return _cached_pipelines[key]


def load_pipeline(drawing: GenerationSettings, revision: str = "") -> LoadedPipeline:
    """The model, ready to draw; downloaded if it has to be, kept until another is loaded.

    Raises:
        PlainError: it cannot be had, is damaged, is none of diffusion_models.PIPELINES, or does not fit into memory.
    """
    return get_cached_pipeline(
        (drawing, revision), lambda: _load_text_to_image_pipeline(drawing, revision)
    )


def _load_text_to_image_pipeline(drawing: GenerationSettings, revision: str) -> LoadedPipeline:
    silence_libraries()
    import diffusers

    without = (
        {} if drawing.safety_checker else {"safety_checker": None, "requires_safety_checker": False}
    )
    dtype = compute_device.DTYPE_BY_DEVICE[compute_device.choose_device().partition(":")[0]]
    artist = load_pretrained(diffusers.AutoPipelineForText2Image, drawing, revision, dtype, without)
    pipe = artist.pipe
    if drawing.generation_size % pipe.vae_scale_factor:
        raise console.PlainError(
            f"--generation-size is {drawing.generation_size}; give a multiple of "
            f"{pipe.vae_scale_factor}, as {drawing.model} needs."
        )
    pipe.set_progress_bar_config(disable=True)
    if SCHEDULERS[drawing.scheduler]:
        pipe.scheduler = getattr(diffusers, SCHEDULERS[drawing.scheduler]).from_config(
            pipe.scheduler.config
        )
    pipe.vae.enable_slicing()  # decoding the whole batch would need more memory than drawing it
    artist.encode = functools.lru_cache(1024)(functools.partial(_encode_prompt, pipe, drawing))
    return artist


def silence_libraries() -> None:
    """No chatter of the libraries, and none about us; the hub's own bars stay, because a download takes long."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

    import transformers  # before diffusers, whose import makes it speak

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import diffusers
    import huggingface_hub

    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    huggingface_hub.utils.logging.set_verbosity_error()


def load_pretrained(
    kind: type,
    drawing: GenerationSettings,
    revision: str,
    dtype: str,
    options: Mapping[str, object],
    only: str = "",
) -> LoadedPipeline:
    """Loads what `kind` of diffusers makes of the model, onto the best device; `only` one part of it.

    Raises:
        PlainError: it cannot be had, is damaged, or does not fit into memory.
    """
    import torch

    model, checker = drawing.model, "safety_checker" not in options
    where = model_location.locate_model(model, revision, checker, only)
    if not where.there:
        raise console.PlainError(
            f"{model} {where.found}. Instead, give --model FOLDER, or --generated folder:PATH.",
            console.EXIT_REMOTE,
        )
    options = {**options, "dtype": getattr(torch, dtype)} | ({"subfolder": only} if only else {})
    if not where.folder:
        console.print_message(
            f"Downloading {model} from the hub, about {model_location.format_byte_count(where.bytes)}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the libraries
        pipe = _load_first_variant(
            kind,
            model,
            where,
            options | ({"revision": revision} if revision else {}),
            WEIGHT_VARIANTS[dtype],
        )
    where = where if where.folder else model_location.locate_model(model, revision, checker, only)
    device = compute_device.choose_device()
    try:
        pipe = pipe.to(device)
    except (RuntimeError, MemoryError) as error:
        if compute_device.is_out_of_memory(error):
            raise console.PlainError(
                f"{model} does not fit into the memory of {device}; end what else runs there."
            ) from None
        raise
    return LoadedPipeline(
        pipe,
        device,
        _describe_environment(where, dtype, device),
        compute_device.estimate_batch_size(device, drawing.generation_size),
    )


def _load_first_variant(
    kind: type, model: str, where: ModelLocation, options: Mapping, variants: Sequence[str | None]
):
    """Loads from the folder alone if the model is there, so that nothing asks the hub; damaged files become one sentence."""
    reasons: dict[str | None, Exception] = {}
    for variant in variants:
        try:
            return kind.from_pretrained(str(where.folder or model), variant=variant, **options)
        except Exception as error:  # damaged files raise a dozen types between these libraries; each means the same here
            if compute_device.is_out_of_memory(error):
                raise console.PlainError(
                    f"{model} does not fit into memory; end what else runs there."
                ) from None
            if getattr(error, "errno", None) in console.ERRNO_ADVICE:
                raise
            reasons[variant] = error
            if not any(
                words in str(error) for words in ("no such modeling files", "no file named")
            ):
                break
    if not where.folder:
        code, advice = (
            console.EXIT_REMOTE,
            "The download broke off; run again, and what is complete is not fetched twice",
        )
    else:
        code, advice = (
            console.EXIT_BAD_MODEL,
            "A file is damaged or of another kind; restore it, or give another --model",
        )
    why = textwrap.shorten(
        str(reasons.get(None) or reasons[variants[0]]), 200, placeholder=" ..."
    ).rstrip(".")
    raise console.PlainError(f"Cannot load {model}: {why}. {advice}.", code) from None


def _describe_environment(where: ModelLocation, dtype: str, device: str) -> dict[str, object]:
    import diffusers
    import torch
    import transformers

    versions = {
        library.__name__: library.__version__ for library in (diffusers, torch, transformers)
    }
    return {
        "revision": where.revision,
        "dtype": dtype,
        "device": device.partition(":")[0],
        **versions,
    }


def _encode_prompt(pipe, drawing: GenerationSettings, text: str) -> dict[str, object]:
    """Embeddings of one prompt and of the negative prompt; shapes (1, 77, width) and, with SDXL, (1, width)."""
    import torch

    guided = drawing.guidance > 1 and pipe.unet.config.time_cond_proj_dim is None
    # None and "" differ for SDXL, which was trained with zeros for no prompt.
    words = {"prompt": text, "negative_prompt": drawing.negative_prompt or None}
    with torch.inference_mode():
        found = pipe.encode_prompt(
            **words, device=pipe.device, num_images_per_prompt=1, do_classifier_free_guidance=guided
        )
    return {
        key: value
        for key, value in zip(PROMPT_EMBEDDING_NAMES, found, strict=False)
        if value is not None
    }
