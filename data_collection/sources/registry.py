"""REAL_SOURCES and GENERATORS: one row per kind of source, by its name on the command line."""

import functools
from pathlib import Path

from data_collection.dataset.manifest import ImageClass
from data_collection.services import object_store
from data_collection.source_types import CandidateFace, Source, SourceRequest
from data_collection.sources import object_store_folder
from data_collection.sources.image_to_image import IMAGE_TO_IMAGE
from data_collection.sources.inpainting import INPAINTING
from data_collection.sources.kaggle import KAGGLE
from data_collection.sources.local_folder import list_folder_candidates
from data_collection.sources.matched_reconstruction import MATCHED_RECONSTRUCTION
from data_collection.sources.openai_images import OPENAI_IMAGES
from data_collection.sources.reconstruction import RECONSTRUCTION
from data_collection.sources.sample import DCGAN, SAMPLE_PHOTOGRAPHS
from data_collection.sources.self_blend import SELF_BLEND
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION


def list_path_or_url_candidates(
    request: SourceRequest, prepared: object, label: ImageClass
) -> list[CandidateFace]:
    """List the files of folder:PATH, which may be the address of an object store."""
    if object_store.is_object_store_url(request.argument):
        return object_store_folder.list_object_store_candidates(
            request.argument, label, request.source_name
        )
    return list_folder_candidates(Path(request.argument).expanduser(), label, request.source_name)


def _make_folder_source(label: ImageClass) -> Source:
    return Source(
        example="folder:PATH",
        candidates=functools.partial(list_path_or_url_candidates, label=label),
        select_files=lambda request, faces: faces,
        name_part=lambda argument, part: f"folder:{argument.rstrip('/')}/{part}",
    )


REAL_SOURCES: dict[str, Source] = {
    "kaggle": KAGGLE,
    "folder": _make_folder_source("real"),
    "sample": SAMPLE_PHOTOGRAPHS,
}

GENERATORS: dict[str, Source] = {
    "stable-diffusion": STABLE_DIFFUSION,
    "reconstruction": RECONSTRUCTION,
    "matched-reconstruction": MATCHED_RECONSTRUCTION,
    "image-to-image": IMAGE_TO_IMAGE,
    "inpainting": INPAINTING,
    "self-blend": SELF_BLEND,
    "openai-images": OPENAI_IMAGES,
    "dcgan": DCGAN,
    "folder": _make_folder_source("generated"),
}
