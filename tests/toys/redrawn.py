"""Requests that start from collected photographs, and the rows of what they give."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest
from runtime import atomic_files, hashing
from toys.diffusion import GENERATED_SIDE_PX
from toys.images import encode_image


def save_photograph(folder: Path, name: str, picture: Image.Image) -> FaceRecord:
    """Save a picture as a collected photograph, and return its row."""
    data = encode_image(picture, "JPEG", quality=95)
    original = f"originals/{name}.jpg"
    atomic_files.write_atomically(folder / original, data)
    return FaceRecord(
        id=hashing.hash_bytes(data),
        label="real",
        source="photos",
        file=f"{name}.jpg",
        status="accepted",
        original=original,
        width=picture.width,
        height=picture.height,
    )


def make_redrawn_request(
    folder: Path, model: Path, pictures: Sequence[Image.Image], seed: int = 3, **generation
) -> SourceRequest:
    options = {"steps": 10, "generation_size": GENERATED_SIDE_PX, **generation}
    settings = CollectionSettings(
        data=folder, seed=seed, generation=GenerationSettings(model=str(model), **options)
    )
    return SourceRequest(
        argument=str(len(pictures)),
        source_name="tiny-redrawn",
        settings=settings,
        photographs=[
            save_photograph(settings.folder, str(number), picture)
            for number, picture in enumerate(pictures)
        ],
    )


def redraw(source: Source, request: SourceRequest) -> list[tuple[CandidateFace, object]]:
    faces = source.list_candidates(request)
    return list(faces[0].load_many(faces))


def build_row(face: CandidateFace) -> FaceRecord:
    """Build the row of an accepted candidate, as reading the manifest gives it."""
    return FaceRecord(
        id="0",
        label="generated",
        source=face.source,
        file=face.file,
        status="accepted",
        generator=face.generator,
        seed=face.seed,
        source_image=face.source_image,
        drawn_with=json.loads(json.dumps(dict(face.drawn_with))),
    )
