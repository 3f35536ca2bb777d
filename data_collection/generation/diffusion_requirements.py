"""Requirements of generation: packages, model, GPU with an estimate of the hours, disk space."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from data_collection.diffusion import compute_device, model_families, model_location
from data_collection.diffusion.model_families import UNET_PASS_FLOP, ModelFamily
from data_collection.generation.diffusion_request import DEFAULT_GENERATED_COUNT
from data_collection.requirement import Requirement
from data_collection.settings import GenerationSettings
from data_collection.source_types import SourceArgument, SourceRequest
from runtime.terminal.time_left import format_duration

DIFFUSION_PACKAGES = (
    *("torch", "diffusers", "transformers", "safetensors", "accelerate"),
    "sentencepiece",  # tokenizers of T5
)

DIFFUSION_ALTERNATIVE = "--generated folder:PATH, or --model FOLDER"

GPU_EXTRA_WORK = 3.0
"""A GPU, which is used less fully than by a matrix product, is assumed to need this many times the
work of a CPU (not measured)."""

DECODER_COST_IN_PASSES = 3
"""The decoder costs about as much as this many passes of the UNet."""

MIN_FREE_GPU_BYTES = 4_000_000_000
"""Stable Diffusion 1.5 with its safety checker takes 2.7 GB in half precision when loaded."""

FREE_DISK_FACTOR = 1.2
"""Free disk space must be this many times the estimated need."""

STORED_BYTES_PER_PIXEL = 3
"""Bytes of an original and its canonical copy, with a margin; PNG photographs take under two."""


def list_model_requirements(
    kind: str, request: SourceRequest, generation: GenerationSettings, passes: float, only: str = ""
) -> list[Requirement]:
    """Return packages, model, GPU and disk for the requested images.

    Args:
        passes: the UNet's passes for one image.
        only: the one part of the model that is needed, if not all.
    """
    missing = [package for package in DIFFUSION_PACKAGES if not find_spec(package)]
    if missing:
        return [
            Requirement(
                name="the packages of Stable Diffusion",
                met=False,
                status=f"missing {', '.join(missing)}: pip install -r requirements.txt",
                alternative=DIFFUSION_ALTERNATIVE,
            )
        ]
    from huggingface_hub import constants

    count = SourceArgument.parse(request.argument).require_count(kind, DEFAULT_GENERATED_COUNT)
    pixels = count * generation.generation_size**2
    family = None if only else model_families.find_family(generation.model)
    models = [_locate(generation.model, generation.safety_checker, only)]
    if family and family.prior:
        models.append(_locate(family.prior, generation.safety_checker))
    flop = estimate_flop_per_image(generation, passes, only)
    work = None if flop is None else count * flop
    requirements = [*models, *_describe_licence(family), _check_gpu(work)]
    image_bytes = pixels * STORED_BYTES_PER_PIXEL
    download_bytes = sum(model.download_bytes for model in models)
    if download_bytes:
        requirements.append(
            _check_free_disk(
                "the model", Path(constants.HF_HUB_CACHE), download_bytes + image_bytes
            )
        )
    requirements.append(_check_free_disk("the images", request.settings.folder, image_bytes))
    return requirements


def estimate_flop_per_image(
    generation: GenerationSettings, passes: float, only: str = ""
) -> float | None:
    """Return the floating-point operations of one image; None if they are unknown.

    A model of no family counts as Stable Diffusion 1.5.
    """
    family = None if only else model_families.find_family(generation.model)
    if family is None:
        return passes * (generation.generation_size / 512) ** 2 * UNET_PASS_FLOP
    return None if family.flop_per_pass is None else passes * family.flop_per_pass


def check_disk_for_models(download_bytes: int) -> Requirement:
    """Check the space for everything that several sources download."""
    from huggingface_hub import constants

    return _check_free_disk("all models", Path(constants.HF_HUB_CACHE), download_bytes)


def _locate(model: str, checker: bool, only: str = "") -> Requirement:
    location = model_location.locate_model(model, "", checker, only)
    return Requirement(
        name=f"the model {model}",
        met=location.available,
        status=location.status,
        alternative="" if location.available else DIFFUSION_ALTERNATIVE,
        download_bytes=location.download_bytes,
    )


def _describe_licence(family: ModelFamily | None) -> list[Requirement]:
    if family is None:
        return []
    terms = "gated: accept its terms on the hub and set HF_TOKEN" if family.gated else "not gated"
    status = f"{family.licence}; {terms} ({family.source})"
    return [Requirement(name=f"the licence of {family.model}", met=True, status=status)]


def _check_gpu(flop: float | None) -> Requirement:
    """Check the GPU's free memory, and estimate the time of so many operations, if known."""
    import torch

    device = compute_device.choose_device()
    free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else MIN_FREE_GPU_BYTES
    if free < MIN_FREE_GPU_BYTES:
        status = f"{torch.cuda.get_device_name(device)}, only {free / 1e9:.1f} GB free"
        alternative = "stop other programs that use it, or --generated folder:PATH"
        return Requirement(name="a GPU", met=False, status=status, alternative=alternative)
    seconds = flop
    if flop is not None:
        work = flop * (1 if device == "cpu" else GPU_EXTRA_WORK)
        seconds = work / compute_device.measure_flop_per_second(device)
    duration = "unknown time" if seconds is None else f"very roughly {format_duration(seconds)}"
    if device.startswith("cuda"):
        status = f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} GB free; {duration}"
    else:
        status = f"Apple GPU; {duration}" if device == "mps" else f"no GPU; {duration} on this CPU"
    return Requirement(
        name="a GPU",
        met=True,
        status=status,
        alternative=DIFFUSION_ALTERNATIVE.partition(",")[0] if device == "cpu" else "",
        seconds=seconds,
    )


def _check_free_disk(content: str, folder: Path, needed: float) -> Requirement:
    existing = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    free = shutil.disk_usage(existing).free
    format_bytes = model_location.format_byte_count
    status = f"{format_bytes(free)} free, {format_bytes(needed)} needed"
    return Requirement(
        name=f"disk for {content}",
        met=free >= FREE_DISK_FACTOR * needed,
        status=status,
        alternative="a smaller COUNT",
    )
