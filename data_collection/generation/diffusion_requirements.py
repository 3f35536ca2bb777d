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

# One pass of Stable Diffusion 1.5's UNet at 512 x 512 took 5.9 s on two cores that multiply matrices at 195 GFLOP/s. A GPU, of
# which less is used than by a matrix product, is taken to need three times that work (not measured). The decoder costs about as
# much as three passes.
UNET_PASS_FLOP = {"cpu": 1.15e12, "mps": 3.5e12, "cuda": 3.5e12}
DECODER_COST_IN_PASSES = 3

MIN_FREE_GPU_BYTES = 4_000_000_000
"""Stable Diffusion 1.5 with its safety checker takes 2.7 GB in half precision before it draws anything."""

FREE_DISK_FACTOR = 1.2
"""So many times what is wanted has to be free."""

STORED_BYTES_PER_PIXEL = 3
"""Bytes of an original and its canonical copy, with a margin; PNG photographs take under two."""


def list_model_requirements(
    kind: str, request: SourceRequest, generation: GenerationSettings, passes: float, only: str = ""
) -> list[Requirement]:
    """Packages, model, GPU and disk, for as many images as are asked for; `passes` counts the UNet's, for one image."""
    missing = [package for package in DIFFUSION_PACKAGES if not find_spec(package)]
    if missing:
        return [
            Requirement(
                "the drawing packages",
                False,
                f"no {', '.join(missing)}; pip install -r requirements.txt",
                DIFFUSION_ALTERNATIVE,
            )
        ]
    from huggingface_hub import constants

    pixels = (
        SourceArgument.parse(request.argument).require_count(kind, DEFAULT_GENERATED_COUNT)
        * generation.generation_size**2
    )
    location = model_location.locate_model(generation.model, "", generation.safety_checker, only)
    needed = [
        Requirement(
            f"the model {generation.model}",
            location.available,
            location.status,
            "" if location.available else DIFFUSION_ALTERNATIVE,
        )
    ]
    needed.append(_check_gpu(passes * pixels / 512**2))
    pictures = pixels * STORED_BYTES_PER_PIXEL
    if location.download_bytes:
        needed.append(
            _check_free_disk(
                "the model", Path(constants.HF_HUB_CACHE), location.download_bytes + pictures
            )
        )
    needed.append(_check_free_disk("the pictures", request.settings.folder, pictures))
    return needed


def _check_gpu(passes: float) -> Requirement:
    import torch

    device = compute_device.choose_device()
    free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else MIN_FREE_GPU_BYTES
    if free < MIN_FREE_GPU_BYTES:
        found = f"{torch.cuda.get_device_name(device)}, only {free / 1e9:.1f} GB free"
        return Requirement(
            "a GPU", False, found, "end what else runs there, or --generated folder:PATH"
        )
    flop = passes * UNET_PASS_FLOP[device.partition(":")[0]]
    seconds = flop / compute_device.measure_flop_per_second(device)
    expected = f"very roughly {format_rough_duration(seconds)}"
    if device.startswith("cuda"):
        return Requirement(
            "a GPU",
            True,
            f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} GB free; {expected}",
        )
    if device == "mps":
        return Requirement("a GPU", True, f"Apple GPU; {expected}")
    return Requirement(
        "a GPU", True, f"no GPU; {expected} on this CPU", DIFFUSION_ALTERNATIVE.partition(",")[0]
    )


def format_rough_duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} hours" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"


def _check_free_disk(what: str, folder: Path, wanted: float) -> Requirement:
    existing = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()
    )
    free = shutil.disk_usage(existing).free
    found = f"{model_location.format_byte_count(free)} free, {model_location.format_byte_count(wanted)} wanted"
    return Requirement(
        f"disk for {what}", free >= FREE_DISK_FACTOR * wanted, found, "a smaller COUNT"
    )
