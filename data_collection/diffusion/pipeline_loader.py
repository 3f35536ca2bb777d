"""Load a Stable Diffusion model for generation; one at a time."""

import functools
import textwrap
import warnings
from collections.abc import Mapping, Sequence

from data_collection.diffusion import compute_device, model_location
from data_collection.diffusion.model_location import ModelLocation
from data_collection.diffusion.pipeline_cache import PIPELINE_CACHE, LoadedPipeline
from data_collection.diffusion.prompt_embeddings import encode_prompt
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

# The smaller half-precision files where the model has them; for single precision only if it has no
# others.
WEIGHT_VARIANTS = {
    "float16": ("fp16", None),
    "bfloat16": (None, "fp16"),
    "float32": (None, "fp16"),
}

BFLOAT16_PIPELINES = ("StableDiffusion3Pipeline", "FluxPipeline")
"""Pipelines whose numbers outgrow half precision; on a GPU they run in bfloat16."""


def load_pipeline(generation: GenerationSettings, revision: str = "") -> LoadedPipeline:
    """Return the model, ready to generate; download it if needed, keep it until another is loaded.

    Raises:
        PlainError: it is not available, is damaged, is not one of
            model_location.SUPPORTED_PIPELINES, or does not fit into memory.
    """
    return PIPELINE_CACHE.get(
        (generation, revision), lambda: _load_text_to_image_pipeline(generation, revision)
    )


def _load_text_to_image_pipeline(generation: GenerationSettings, revision: str) -> LoadedPipeline:
    silence_libraries()
    import diffusers

    options = (
        {}
        if generation.safety_checker
        else {"safety_checker": None, "requires_safety_checker": False}
    )
    location = model_location.locate_model(generation.model, revision, generation.safety_checker)
    _check_own_scheduler(generation, location.pipeline)
    dtype = compute_device.DTYPE_BY_DEVICE[compute_device.choose_device().partition(":")[0]]
    if dtype == "float16" and location.pipeline in BFLOAT16_PIPELINES:
        dtype = "bfloat16"
    loaded = load_pretrained(
        diffusers.AutoPipelineForText2Image, generation, revision, dtype, options
    )
    pipeline = loaded.pipeline
    stride = getattr(pipeline, "vae_scale_factor", 8)
    if generation.generation_size % stride:
        raise console.PlainError(
            f"--generation-size is {generation.generation_size}; give a multiple of "
            f"{stride}, as {generation.model} needs."
        )
    pipeline.set_progress_bar_config(disable=True)
    if SCHEDULERS[generation.scheduler]:
        pipeline.scheduler = getattr(diffusers, SCHEDULERS[generation.scheduler]).from_config(
            pipeline.scheduler.config
        )
    if hasattr(pipeline, "vae"):
        # Decoding a whole batch needs more memory than generating it.
        pipeline.vae.enable_slicing()
    if type(pipeline).__name__ in model_location.STABLE_DIFFUSION_PIPELINES:
        loaded.encode_prompt = functools.lru_cache(1024)(
            functools.partial(encode_prompt, pipeline, generation)
        )
    return loaded


def _check_own_scheduler(generation: GenerationSettings, pipeline: str) -> None:
    others = set(model_location.SUPPORTED_PIPELINES) - {*model_location.STABLE_DIFFUSION_PIPELINES}
    if pipeline in others and generation.scheduler != "own":
        raise console.PlainError(
            f"{generation.model} is a {pipeline}, which works with its own scheduler alone; give "
            "--scheduler own."
        )


def silence_libraries() -> None:
    """Silence the libraries; keep the hub's progress bars of long downloads."""
    import transformers  # before diffusers, whose import makes it print

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import diffusers
    import huggingface_hub

    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    huggingface_hub.utils.logging.set_verbosity_error()


def load_pretrained(
    kind: type,
    generation: GenerationSettings,
    revision: str,
    dtype: str,
    options: Mapping[str, object],
    only: str = "",
) -> LoadedPipeline:
    """Load a model with a class of diffusers, onto the best device.

    Args:
        kind: the class of diffusers.
        options: keywords of its `from_pretrained`.
        only: the one part of the model to load, if not all.

    Raises:
        PlainError: it is not available, is damaged, or does not fit into memory.
    """
    import torch

    model, checker = generation.model, "safety_checker" not in options
    location = _locate_or_raise(model, revision, checker, only)
    options = {**options, "dtype": getattr(torch, dtype)} | ({"subfolder": only} if only else {})
    if revision:
        options["revision"] = revision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the libraries
        pipeline = _load_first_variant(kind, model, location, options, WEIGHT_VARIANTS[dtype])
    if not location.folder:
        location = model_location.locate_model(model, revision, checker, only)
    device = compute_device.choose_device()
    return LoadedPipeline(
        pipeline=_move_to_device(pipeline, model, device),
        device=device,
        environment=_describe_environment(location, dtype, device),
        batch_size=compute_device.estimate_batch_size(device, generation.generation_size),
    )


def _locate_or_raise(model: str, revision: str, checker: bool, only: str) -> ModelLocation:
    """Locate the model, and announce a download."""
    location = model_location.locate_model(model, revision, checker, only)
    if not location.available:
        raise console.PlainError(
            f"{model} {location.status}. Instead, give --model FOLDER, or --generated folder:PATH.",
            console.EXIT_REMOTE,
        )
    if not location.folder:
        size = model_location.format_byte_count(location.download_bytes)
        console.print_message(f"Downloading {model} from the hub, about {size}.")
    return location


def _move_to_device(pipeline, model: str, device: str):
    try:
        return pipeline.to(device)
    except (RuntimeError, MemoryError) as error:
        if compute_device.is_out_of_memory(error):
            raise console.PlainError(
                f"{model} does not fit into the memory of {device}; stop other programs that use "
                "it."
            ) from None
        raise


def _load_first_variant(
    kind: type,
    model: str,
    location: ModelLocation,
    options: Mapping,
    variants: Sequence[str | None],
):
    """Load the first variant that exists; from the folder alone if there is one, without the hub.

    Raises:
        PlainError: files are damaged, the download broke off, or it does not fit into memory.
    """
    reasons: dict[str | None, Exception] = {}
    for variant in variants:
        try:
            return kind.from_pretrained(str(location.folder or model), variant=variant, **options)
        except Exception as error:  # damaged files raise a dozen types in these libraries
            if compute_device.is_out_of_memory(error):
                raise console.PlainError(
                    f"{model} does not fit into memory; stop other programs."
                ) from None
            if getattr(error, "errno", None) in console.ERRNO_ADVICE:
                raise
            reasons[variant] = error
            phrases = ("no such modeling files", "no file named")
            if not any(phrase in str(error) for phrase in phrases):
                break
    if location.folder:
        code = console.EXIT_BAD_MODEL
        advice = "A file is damaged or of another kind; restore it, or give another --model"
    else:
        code = console.EXIT_REMOTE
        advice = "The download broke off; run again, and complete files are not fetched twice"
    reason = textwrap.shorten(
        str(reasons.get(None) or reasons[variants[0]]), 200, placeholder=" ..."
    ).rstrip(".")
    raise console.PlainError(f"Cannot load {model}: {reason}. {advice}.", code) from None


def _describe_environment(location: ModelLocation, dtype: str, device: str) -> dict[str, object]:
    import diffusers
    import torch
    import transformers

    versions = {
        library.__name__: library.__version__ for library in (diffusers, torch, transformers)
    }
    return {
        "revision": location.revision,
        "dtype": dtype,
        "device": device.partition(":")[0],
        **versions,
    }
