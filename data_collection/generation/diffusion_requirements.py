"""Requirements of generation: packages, model, GPU with an estimate of the hours, disk space."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from data_collection.diffusion import compute_device, model_location
from data_collection.generation.diffusion_request import DEFAULT_GENERATED_COUNT
from data_collection.requirement import Requirement
from data_collection.settings import GenerationSettings
from data_collection.source_types import SourceArgument, SourceRequest

DIFFUSION_PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "accelerate")

DIFFUSION_ALTERNATIVE = "--generated folder:PATH, or --model FOLDER"

# One pass of Stable Diffusion 1.5's UNet at 512 x 512 took 5.9 s on two cores that multiply
# matrices at 195 GFLOP/s. A GPU, which is used less fully than by a matrix product, is assumed to
# need three times that work (not measured). The decoder costs about as much as three passes.
UNET_PASS_FLOP = {"cpu": 1.15e12, "mps": 3.5e12, "cuda": 3.5e12}
DECODER_COST_IN_PASSES = 3

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
                "the packages of Stable Diffusion",
                False,
                f"missing {', '.join(missing)}: pip install -r requirements.txt",
                DIFFUSION_ALTERNATIVE,
            )
        ]
    from huggingface_hub import constants

    pixels = (
        SourceArgument.parse(request.argument).require_count(kind, DEFAULT_GENERATED_COUNT)
        * generation.generation_size**2
    )
    location = model_location.locate_model(generation.model, "", generation.safety_checker, only)
    requirements = [
        Requirement(
            f"the model {generation.model}",
            location.available,
            location.status,
            "" if location.available else DIFFUSION_ALTERNATIVE,
        )
    ]
    requirements.append(_check_gpu(passes * pixels / 512**2))
    image_bytes = pixels * STORED_BYTES_PER_PIXEL
    if location.download_bytes:
        requirements.append(
            _check_free_disk(
                "the model", Path(constants.HF_HUB_CACHE), location.download_bytes + image_bytes
            )
        )
    requirements.append(_check_free_disk("the images", request.settings.folder, image_bytes))
    return requirements


def _check_gpu(passes: float) -> Requirement:
    """Check the GPU's free memory, and estimate the time of so many passes at 512 x 512."""
    import torch

    device = compute_device.choose_device()
    free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else MIN_FREE_GPU_BYTES
    if free < MIN_FREE_GPU_BYTES:
        status = f"{torch.cuda.get_device_name(device)}, only {free / 1e9:.1f} GB free"
        return Requirement(
            "a GPU", False, status, "stop other programs that use it, or --generated folder:PATH"
        )
    flop = passes * UNET_PASS_FLOP[device.partition(":")[0]]
    seconds = flop / compute_device.measure_flop_per_second(device)
    duration = f"very roughly {format_rough_duration(seconds)}"
    if device.startswith("cuda"):
        return Requirement(
            "a GPU",
            True,
            f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} GB free; {duration}",
        )
    if device == "mps":
        return Requirement("a GPU", True, f"Apple GPU; {duration}")
    return Requirement(
        "a GPU", True, f"no GPU; {duration} on this CPU", DIFFUSION_ALTERNATIVE.partition(",")[0]
    )


def format_rough_duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} hours" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"


def _check_free_disk(content: str, folder: Path, needed: float) -> Requirement:
    existing = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    free = shutil.disk_usage(existing).free
    format_bytes = model_location.format_byte_count
    status = f"{format_bytes(free)} free, {format_bytes(needed)} needed"
    return Requirement(
        f"disk for {content}", free >= FREE_DISK_FACTOR * needed, status, "a smaller COUNT"
    )
