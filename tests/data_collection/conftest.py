"""A toy model with a safety checker, and an empty cache of the hub's client."""

import pytest

from data_collection import diffusion_artist
from toy_diffusion import make_model


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / "checked", flagged="all")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache of the hub's client that holds nothing; returns a function that says where the hub is."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    diffusion_artist._loaded.clear()

    def at(url: str) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", url)

    return at
