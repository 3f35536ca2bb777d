"""A toy model with a safety checker, an empty cache of the hub's client, and an S3 server."""

import urllib.request

import pytest

from data_collection.diffusion import pipeline_cache
from toys.commands import CANARY_SECRET
from toys.diffusion import save_pipeline


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    return save_pipeline(tmp_path_factory.mktemp("models") / "checked", flagged="all")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Empty the cache of the hub's client; return a function that sets the hub's address."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    pipeline_cache.PIPELINE_CACHE.clear()

    def set_hub(url: str) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", url)

    return set_hub


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def store(server, monkeypatch, tmp_path):
    """Create an empty bucket named `photos`; set its server and keys in the environment."""
    import boto3

    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "canary-id",
        "AWS_SECRET_ACCESS_KEY": CANARY_SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(
        urllib.request.Request(f"{server}/moto-api/reset", method="POST")
    ).close()
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    yield client
    client.close()
