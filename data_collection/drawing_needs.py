"""What drawing needs, for the table that is shown first: packages, model, GPU with a guess at the hours, disk."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from data_collection import diffusion_models, drawing_device
from data_collection.drawing_order import COUNT
from data_collection.found_faces import Need, Request, count_of
from data_collection.settings import DrawingSettings

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "accelerate")

INSTEAD = "--generated folder:PATH, or --model FOLDER"

# One pass of Stable Diffusion 1.5's UNet at 512 x 512 took 5.9 s on two cores that multiply matrices at 195 GFLOP/s. A GPU, of
# which less is used than by a matrix product, is taken to need three times that work (not measured). The decoder costs about as
# much as three passes.
PASS_FLOP = {"cpu": 1.15e12, "mps": 3.5e12, "cuda": 3.5e12}
DECODER_PASSES = 3

LEAST_MEMORY = 4_000_000_000
"""Stable Diffusion 1.5 with its safety checker takes 2.7 GB in half precision before it draws anything."""

DISK_MARGIN = 1.2
"""So many times what is wanted has to be free."""

PICTURE_BYTES_PER_PIXEL = 3
"""Of an original and its canonical copy, with room to spare; PNG files of photographs take under two."""


def model_needs(kind: str, request: Request, drawing: DrawingSettings, passes: float, only: str = "") -> list[Need]:
    """Packages, model, GPU and disk, for as many images as are asked for; `passes` counts the UNet's, for one image."""
    missing = [package for package in PACKAGES if not find_spec(package)]
    if missing:
        return [Need("the drawing packages", False, f"no {', '.join(missing)}; pip install -r requirements.txt", INSTEAD)]
    from huggingface_hub import constants

    pixels = count_of(kind, request.argument, COUNT) * drawing.draw_size**2
    where = diffusion_models.whereabouts(drawing.model, "", drawing.safety_checker, only)
    needed = [Need(f"the model {drawing.model}", where.there, where.found, "" if where.there else INSTEAD)]
    needed.append(_gpu_need(passes * pixels / 512**2))
    pictures = pixels * PICTURE_BYTES_PER_PIXEL
    if where.bytes:
        needed.append(_disk_need("the model", Path(constants.HF_HUB_CACHE), where.bytes + pictures))
    needed.append(_disk_need("the pictures", request.settings.folder, pictures))
    return needed


def _gpu_need(passes: float) -> Need:
    import torch

    device = drawing_device.choose()
    free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else LEAST_MEMORY
    if free < LEAST_MEMORY:
        found = f"{torch.cuda.get_device_name(device)}, only {free / 1e9:.1f} GB free"
        return Need("a GPU", False, found, "end what else runs there, or --generated folder:PATH")
    expected = f"very roughly {duration(passes * PASS_FLOP[device.partition(':')[0]] / drawing_device.speed(device))}"
    if device.startswith("cuda"):
        return Need("a GPU", True, f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} GB free; {expected}")
    if device == "mps":
        return Need("a GPU", True, f"Apple GPU; {expected}")
    return Need("a GPU", True, f"no GPU; {expected} on this CPU", INSTEAD.partition(",")[0])


def duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} hours" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"


def _disk_need(what: str, folder: Path, wanted: float) -> Need:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    found = f"{diffusion_models.size_in_words(free)} free, {diffusion_models.size_in_words(wanted)} wanted"
    return Need(f"disk for {what}", free >= DISK_MARGIN * wanted, found, "a smaller COUNT")
