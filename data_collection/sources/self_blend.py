"""Blend each photograph's face with itself: a fake without a generator, for the trace of blending.

A self-blend is saved as PNG at its photograph's size. Its pixels keep what the photograph went
through, and from there on both are treated alike; another JPEG or another resize would be a trace
on one class only.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import self_blending
from data_collection.generation.diffusion_request import DEFAULT_GENERATED_COUNT
from data_collection.images import decode, encode
from data_collection.source_types import CandidateFace, Source, SourceArgument, SourceRequest
from runtime import hashing

GENERATOR_NAME = "self-blend"


def list_self_blend_candidates(
    request: SourceRequest, prepared: object = None
) -> list[CandidateFace]:
    """List one self-blend of each of the first COUNT accepted photographs.

    A photograph without exactly one face becomes a rejected row.
    """
    settings, versions = request.settings, self_blending.read_library_versions()
    return [
        CandidateFace(
            label="generated",
            source=request.source_name,
            file=f"{record.id[:16]}.png",
            load=functools.partial(_load_self_blend, settings.folder, record, settings.crop, seed),
            stable=True,
            may_be_soft=True,
            seed=seed,
            generator=GENERATOR_NAME,
            source_image=record.id,
            drawn_with=versions,
        )
        for record in request.select_photographs(_count_self_blends(request))
        for seed in (compute_self_blend_seed(record.id, settings.seed),)
    ]


def _count_self_blends(request: SourceRequest) -> int:
    argument = SourceArgument.parse(request.argument)
    return argument.require_count(GENERATOR_NAME, DEFAULT_GENERATED_COUNT)


def check_self_blend_request(request: SourceRequest, known: Sequence[FaceRecord]) -> None:
    """Raise PlainError if the count is not one."""
    _count_self_blends(request)


def compute_self_blend_seed(photograph_id: str, seed: int) -> int:
    """Return the seed of a photograph's self-blend, whatever else is collected.

    Seeds differ between photographs, because images that share one would form one group.
    """
    return int(hashing.hash_bytes(f"{photograph_id}:{seed}".encode())[:12], 16)


def _load_self_blend(folder: Path, record: FaceRecord, crop: str, seed: int) -> bytes:
    return blend_photograph(stored_images.read_original(folder, record), crop, seed)


def blend_photograph(photograph: bytes, crop: str, seed: int) -> bytes:
    """Return the self-blend of a photograph's bytes, as PNG.

    Args:
        crop: the data set's. Face crops are cut from the whole picture, so it is kept; of the other
            pictures only the centre square, in which the face has to be.

    Raises:
        UnavailableImage: it does not show exactly one face.
    """
    decode_picture = decode.decode_whole if crop == "face" else decode.decode_face

    return encode.encode_png(
        self_blending.blend_with_itself(decode_picture(photograph).square, seed)
    )


SELF_BLEND = Source(
    example="self-blend:COUNT",
    candidates=list_self_blend_candidates,
    check_request=check_self_blend_request,
)
