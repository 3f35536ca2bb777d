"""Loads a Stable Diffusion model, ready to draw; one at a time."""

import functools
import os
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data_collection import console, diffusion_models, drawing_device
from data_collection.diffusion_models import Whereabouts
from data_collection.settings import DrawingSettings

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
EMBEDDINGS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

# The smaller download of half precision where the model has one; for single precision only where no other is.
VARIANTS = {"float16": ("fp16", None), "float32": (None, "fp16")}


@dataclass
class Artist:
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


_loaded: dict[object, Artist] = {}


def kept(key: object, make: Callable[[], Artist]) -> Artist:
    """The artist under a key, made at its first use; only one at a time, because two may not fit."""
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = make()
    return _loaded[key]


def load(drawing: DrawingSettings, revision: str = "") -> Artist:
    """The model, ready to draw; downloaded if it has to be, kept until another is loaded.

    Raises:
        PlainError: it cannot be had, is damaged, is none of diffusion_models.PIPELINES, or does not fit into memory.
    """
    return kept((drawing, revision), lambda: _load(drawing, revision))


def _load(drawing: DrawingSettings, revision: str) -> Artist:
    quieten()
    import diffusers

    without = {} if drawing.safety_checker else {"safety_checker": None, "requires_safety_checker": False}
    dtype = drawing_device.DTYPES[drawing_device.choose().partition(":")[0]]
    artist = fetch(diffusers.AutoPipelineForText2Image, drawing, revision, dtype, without)
    pipe = artist.pipe
    if drawing.draw_size % pipe.vae_scale_factor:
        raise console.PlainError(
            f"--draw-size is {drawing.draw_size}; {drawing.model} draws multiples of {pipe.vae_scale_factor} pixels."
        )
    pipe.set_progress_bar_config(disable=True)
    if SCHEDULERS[drawing.scheduler]:
        pipe.scheduler = getattr(diffusers, SCHEDULERS[drawing.scheduler]).from_config(pipe.scheduler.config)
    pipe.vae.enable_slicing()  # decoding the whole batch would need more memory than drawing it
    artist.encode = functools.lru_cache(1024)(functools.partial(_encode, pipe, drawing))
    return artist


def quieten() -> None:
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


def fetch(
    kind: type, drawing: DrawingSettings, revision: str, dtype: str, options: Mapping[str, object], only: str = ""
) -> Artist:
    """Loads what `kind` of diffusers makes of the model, onto the best device; `only` one part of it.

    Raises:
        PlainError: it cannot be had, is damaged, or does not fit into memory.
    """
    import torch

    model, checker = drawing.model, "safety_checker" not in options
    where = diffusion_models.whereabouts(model, revision, checker, only)
    if not where.there:
        raise console.PlainError(
            f"{model} {where.found}. Instead, give --model FOLDER, or --generated folder:PATH.", console.REMOTE
        )
    options = {**options, "dtype": getattr(torch, dtype)} | ({"subfolder": only} if only else {})
    if not where.folder:
        console.say(f"Downloading {model} from the hub, about {diffusion_models.size_in_words(where.bytes)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the libraries
        pipe = _from_pretrained(kind, model, where, options | ({"revision": revision} if revision else {}), VARIANTS[dtype])
    where = where if where.folder else diffusion_models.whereabouts(model, revision, checker, only)
    device = drawing_device.choose()
    try:
        pipe = pipe.to(device)
    except (RuntimeError, MemoryError) as error:
        if drawing_device.lacks_memory(error):
            raise console.PlainError(f"{model} does not fit into the memory of {device}; end what else runs there.") from None
        raise
    return Artist(pipe, device, _facts(where, dtype, device), drawing_device.first_batch(device, drawing.draw_size))


def _from_pretrained(kind: type, model: str, where: Whereabouts, options: Mapping, variants: Sequence[str | None]):
    """Loads from the folder alone if the model is there, so that nothing asks the hub; damaged files become one sentence."""
    reasons: dict[str | None, Exception] = {}
    for variant in variants:
        try:
            return kind.from_pretrained(str(where.folder or model), variant=variant, **options)
        except Exception as error:  # damaged files raise a dozen types between these libraries; each means the same here
            if drawing_device.lacks_memory(error):
                raise console.PlainError(f"{model} does not fit into memory; end what else runs there.") from None
            if getattr(error, "errno", None) in console.MENDABLE:
                raise
            reasons[variant] = error
            if not any(words in str(error) for words in ("no such modeling files", "no file named")):
                break
    if not where.folder:
        code, advice = console.REMOTE, "The download broke off; run again, and what is complete is not fetched twice"
    else:
        code, advice = console.BAD_MODEL, "A file is damaged or of another kind; restore it, or give another --model"
    why = textwrap.shorten(str(reasons.get(None) or reasons[variants[0]]), 200, placeholder=" ...").rstrip(".")
    raise console.PlainError(f"Cannot load {model}: {why}. {advice}.", code) from None


def _facts(where: Whereabouts, dtype: str, device: str) -> dict[str, object]:
    import diffusers
    import torch
    import transformers

    versions = {library.__name__: library.__version__ for library in (diffusers, torch, transformers)}
    return {"revision": where.revision, "dtype": dtype, "device": device.partition(":")[0], **versions}


def _encode(pipe, drawing: DrawingSettings, text: str) -> dict[str, object]:
    """Embeddings of one prompt and of the negative prompt; shapes (1, 77, width) and, with SDXL, (1, width)."""
    import torch

    guided = drawing.guidance > 1 and pipe.unet.config.time_cond_proj_dim is None
    # None and "" differ for SDXL, which was trained with zeros for no prompt.
    words = {"prompt": text, "negative_prompt": drawing.negative_prompt or None}
    with torch.inference_mode():
        found = pipe.encode_prompt(**words, device=pipe.device, num_images_per_prompt=1, do_classifier_free_guidance=guided)
    return {key: value for key, value in zip(EMBEDDINGS, found, strict=False) if value is not None}
