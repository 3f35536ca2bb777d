"""A model is located in a folder, in the hub's cache or on the hub; what is missing is named."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from data_collection.dataset import manifest
from data_collection.diffusion import model_location, pipeline_cache
from data_collection.sources import stable_diffusion
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import GENERATION_MARKS, decode_pixels, generate_faces, make_request
from toys.model_hub import HUB_COMMIT, serve_hub

pytestmark = GENERATION_MARKS


def test_a_model_of_the_hub_is_fetched_once_and_its_commit_recorded(
    tmp_path, model, empty_cache, capfd
):
    with serve_hub({"toys/tiny": model}) as url:
        empty_cache(url)
        requirements = {
            requirement.name: requirement
            for requirement in STABLE_DIFFUSION.list_requirements(
                make_request(tmp_path, "toys/tiny")
            )
        }
        assert (
            requirements["the model toys/tiny"].met
            and "the hub has it" in requirements["the model toys/tiny"].status
        )
        assert requirements["disk for the model"].met
        face, first = generate_faces(make_request(tmp_path, "toys/tiny", 1))[0]
        assert face.drawn_with["revision"] == HUB_COMMIT and face.generator == "toys/tiny"
    empty_cache("http://127.0.0.1:9")
    requirements = {
        requirement.name: requirement.status
        for requirement in STABLE_DIFFUSION.list_requirements(make_request(tmp_path, "toys/tiny"))
    }
    assert (
        requirements["the model toys/tiny"] == "is in the cache"
        and "disk for the model" not in requirements
    )
    pipeline_cache.PIPELINE_CACHE.clear()
    row = manifest.FaceRecord(
        id="0",
        label="generated",
        source="tiny",
        file=face.file,
        status="accepted",
        prompt=face.prompt,
        seed=face.seed,
    )
    again = stable_diffusion.regenerate_from_prompt(replace(row, drawn_with=dict(face.drawn_with)))
    assert np.abs(decode_pixels(again) - decode_pixels(first)).max() <= 1


FAULTS = {
    "gated": (403, "is gated"),
    "absent": (404, "is not on the hub"),
    "private": (401, "set HF_TOKEN"),
    "overloaded": (503, "refuses to answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_hub_refuses_is_a_sentence(tmp_path, model, empty_cache, fault):
    status, words = FAULTS[fault]
    with serve_hub({"toys/tiny": model}, refuse=lambda path: status) as url:
        empty_cache(url)
        requirement = next(
            requirement
            for requirement in STABLE_DIFFUSION.list_requirements(
                make_request(tmp_path, "toys/tiny")
            )
            if "model toys" in requirement.name
        )
        assert (
            not requirement.met
            and words in requirement.status
            and "--model" in requirement.alternative
        )
        with pytest.raises(console.PlainError, match=words) as caught:
            generate_faces(make_request(tmp_path, "toys/tiny"))
    assert caught.value.exit_code == console.EXIT_REMOTE


def test_a_hub_that_cannot_be_reached_is_reported_at_once(tmp_path, empty_cache):
    empty_cache("http://127.0.0.1:9")
    with pytest.raises(console.PlainError, match="cannot be reached"):
        generate_faces(make_request(tmp_path, "toys/tiny"))


def test_an_interrupted_download_is_found_and_completed(tmp_path, model, empty_cache):
    with serve_hub({"toys/tiny": model}) as url:
        empty_cache(url)
        first = generate_faces(make_request(tmp_path, "toys/tiny", 1))[0][1]
        blobs = tmp_path / "hub" / "models--toys--tiny" / "blobs"
        lost = max(blobs.iterdir(), key=lambda file: file.stat().st_size)
        lost.rename(lost.with_name("0.1.incomplete"))
        location = model_location.locate_model("toys/tiny")
        assert location.available and not location.folder and "1 unfinished file" in location.status
        pipeline_cache.PIPELINE_CACHE.clear()
        assert np.array_equal(
            decode_pixels(generate_faces(make_request(tmp_path, "toys/tiny", 1))[0][1]),
            decode_pixels(first),
        )


def test_a_folder_that_is_no_model_is_refused_with_the_reason(tmp_path, model):
    def explain_problem(folder) -> str:
        location = model_location.locate_model(str(folder))
        assert not location.available
        with pytest.raises(console.PlainError):
            generate_faces(make_request(tmp_path, folder, 1))
        return location.status

    (tmp_path / "empty").mkdir()
    assert "model_index.json" in explain_problem(tmp_path / "empty")
    assert "is not a folder" in explain_problem(tmp_path / "nowhere")
    broken = shutil.copytree(model, tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert "lacks the weights of its unet" in explain_problem(broken)
    shutil.rmtree(broken / "tokenizer")
    assert "lacks its tokenizer" in explain_problem(broken)
    (broken / "model_index.json").write_text("[]")
    assert "without a readable model_index.json" in explain_problem(broken)
    shutil.copytree(model, broken, dirs_exist_ok=True)
    index = json.loads((broken / "model_index.json").read_text())
    shutil.copytree(model, broken, dirs_exist_ok=True)
    (broken / "model_index.json").write_text(
        json.dumps(index | {"_class_name": "AnimateDiffPipeline"})
    )
    assert "is a AnimateDiffPipeline" in explain_problem(broken)
