"""Draws or fetches generated faces; GENERATORS has one row per kind of generator."""

from pathlib import Path

from data_collection.source_types import CandidateFace, Source, SourceRequest
from data_collection.sources.kaggle import KAGGLE
from data_collection.sources.local_folder import list_folder_candidates
from data_collection.sources.openai_images import OPENAI_IMAGES
from data_collection.sources.reconstruction import RECONSTRUCTION
from data_collection.sources.sample import list_dcgan_candidates, list_sample_photographs
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION

GENERATORS: dict[str, Source] = {
    "stable-diffusion": STABLE_DIFFUSION,
    "reconstruction": RECONSTRUCTION,
    "openai-images": OPENAI_IMAGES,
    "dcgan": Source(list_dcgan_candidates, "dcgan:COUNT"),
    "folder": Source(
        lambda request: list_path_or_url_candidates(request, "generated"), "folder:PATH"
    ),
}


def list_path_or_url_candidates(request: SourceRequest, label: str) -> list[CandidateFace]:
    """The row of both tables for folder:PATH."""
    from data_collection.services import object_store
    from data_collection.sources import object_store_folder

    if object_store.is_object_store_url(request.argument):
        return object_store_folder.list_object_store_candidates(
            request.argument, label, request.source, request.facts
        )
    return list_folder_candidates(
        Path(request.argument).expanduser(), label, request.source, request.facts
    )


REAL_SOURCES: dict[str, Source] = {
    "kaggle": KAGGLE,
    "folder": Source(lambda request: list_path_or_url_candidates(request, "real"), "folder:PATH"),
    "sample": Source(list_sample_photographs, "sample"),
}
