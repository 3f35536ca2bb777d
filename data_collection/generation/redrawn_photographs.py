"""List candidates that a diffusion model makes from the collected photographs, one for each."""

import functools
from collections.abc import Callable, Iterator, Mapping

from data_collection.dataset.manifest import FaceRecord
from data_collection.generation.diffusion_request import (
    DEFAULT_GENERATED_COUNT,
    MAX_SEED_RETRIES,
    RETRY_SEED_STEP,
)
from data_collection.source_types import CandidateFace, SourceArgument, SourceRequest


def list_redrawn_candidates(
    request: SourceRequest,
    kind: str,
    describe: Callable[[FaceRecord], Mapping[str, object]],
    load_faces: Callable[..., Iterator[tuple[CandidateFace, bytes | Exception]]],
) -> list[CandidateFace]:
    """List one candidate for each of the first COUNT accepted photographs.

    Args:
        kind: the kind of source, for messages.
        describe: returns what is drawn from a photograph, the candidate's `drawn_with`. Without a
            strength above 0 nothing in it is random, and it has no seed.
        load_faces: loads many faces, given the faces, the photographs by their ids and the data
            set's folder.
    """
    settings = request.settings
    count = SourceArgument.parse(request.argument).require_count(kind, DEFAULT_GENERATED_COUNT)
    photographs = {record.id: record for record in request.select_photographs(count)}
    load_many = functools.partial(load_faces, photographs=photographs, folder=settings.folder)

    def build_candidate(record: FaceRecord, first_seed: int, attempt: int = 0) -> CandidateFace:
        drawn_with = describe(record)
        has_seed = drawn_with["strength"] > 0
        retry = functools.partial(build_candidate, record, first_seed, attempt + 1)
        face = CandidateFace(
            label="generated",
            source=request.source_name,
            file=f"{record.id[:16]}-{attempt}.png" if attempt else f"{record.id[:16]}.png",
            load=lambda: _return_or_raise(next(load_many([face]))[1]),
            stable=True,
            may_be_soft=True,
            seed=first_seed + RETRY_SEED_STEP * attempt if has_seed else None,
            generator=request.source_name,
            source_image=record.id,
            drawn_with=drawn_with,
            load_many=load_many,
            retry=retry if has_seed and attempt < MAX_SEED_RETRIES else None,
        )
        return face

    return [
        build_candidate(record, settings.seed + number)
        for number, record in enumerate(photographs.values())
    ]


def _return_or_raise(data: bytes | Exception) -> bytes:
    if isinstance(data, Exception):
        raise data
    return data
