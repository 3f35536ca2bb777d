"""Reconstruct photographs by an autoencoder, then give them their photographs' spectra.

An autoencoder takes fine detail away, and a head may learn no more than that. Here the amplitude
of each frequency is the photograph's, so only what is not the spectrum is left.
"""

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request
from data_collection.generation.reconstruction_generator import decode_square
from data_collection.generation.redrawn_photographs import list_redrawn_candidates
from data_collection.generation.spectrum_matching import match_spectrum
from data_collection.images import encode
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest
from data_collection.sources import reconstruction
from runtime import console

KIND = "matched-reconstruction"
MATCHED_SPECTRUM = "radial mean of the photograph's"


def make_matched_source_name(argument: str, settings: CollectionSettings) -> str:
    return f"{diffusion_request.make_model_source_name(argument, settings)}-{KIND}"


def list_matched_candidates(request: SourceRequest, prepared: object = None) -> list[CandidateFace]:
    """List one matched reconstruction of each of the first COUNT accepted photographs."""
    generation = diffusion_request.parse_generation_settings(request.argument, request.settings)
    return list_redrawn_candidates(
        request,
        KIND,
        lambda record: {
            **reconstruction.describe_reconstruction(record, generation),
            "spectrum": MATCHED_SPECTRUM,
        },
        functools.partial(match_candidates, generation=generation),
    )


def match_candidates(
    faces: Sequence[CandidateFace],
    generation: GenerationSettings,
    photographs: Mapping[str, FaceRecord],
    folder: Path,
) -> Iterator[tuple[CandidateFace, bytes]]:
    """Yield every face with its PNG; raise as `reconstruction.reconstruct_candidates` does."""
    loaded = reconstruction.reconstruct_candidates(faces, generation, photographs, folder)
    for face, png in loaded:
        photograph = stored_images.read_original(folder, photographs[face.source_image])
        yield face, match_photograph(png, photograph)


def match_photograph(png: bytes, photograph: bytes) -> bytes:
    """Return a reconstruction, a PNG, with the spectrum of its photograph's square."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        square = decode_square(photograph, image.width)
        return encode.encode_png(match_spectrum(image.convert("RGB"), square))


def check_matched_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    if request.settings.generation.strength:
        raise console.PlainError(
            f"{KIND} uses the autoencoder alone, not --strength "
            f"{request.settings.generation.strength:g}; give --strength 0, or reconstruction:COUNT."
        )
    reconstruction.check_reconstruction_request(request, known)


MATCHED_RECONSTRUCTION = Source(
    example=f"{KIND}:COUNT",
    candidates=list_matched_candidates,
    list_requirements=reconstruction.list_reconstruction_requirements,
    make_name=make_matched_source_name,
    check_request=check_matched_request,
)
