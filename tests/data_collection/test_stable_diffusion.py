"""Stable Diffusion of random weights, loaded as the real one is: from a folder, from the hub's cache, from a hub."""

import io
import json
import shutil
from dataclasses import replace

import huggingface_hub
import numpy as np
import pytest
import torch
from accelerate import PartialState
from PIL import Image

from data_collection import console, face_images, manifest, stable_diffusion
from data_collection.found_faces import Request
from data_collection.settings import CollectionSettings, DrawingSettings, PromptSettings
from data_collection.stable_diffusion import STABLE_DIFFUSION
from toy_diffusion import COMMIT, SIDE, hub, make_model, make_old

# Raised inside diffusers' schedulers by numpy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

DRAWING = {"steps": 2, "draw_size": SIDE}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Two threads that wait for each other on a busy machine made a step of the toy take seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("models") / "checked", flagged="all")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache of the hub's client that holds nothing; returns a function that says where the hub is."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    stable_diffusion._loaded.clear()

    def at(url: str) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", url)

    return at


def asked(folder, model, count=5, **drawing) -> Request:
    settings = CollectionSettings(
        data=folder,
        seed=7,
        prompting=PromptSettings(prompts="template", prompt_count=3),
        drawing=DrawingSettings(model=str(model), **{**DRAWING, **drawing}),
    )
    return Request(str(count), "tiny", settings)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), dtype=int)


def drawn(request: Request) -> list:
    found = STABLE_DIFFUSION.find(request)
    return list(found[0].together(found))


def test_the_faces_take_the_prompts_in_turn_and_count_their_seeds(tmp_path, model):
    faces = STABLE_DIFFUSION.find(asked(tmp_path, model))
    assert [face.seed for face in faces] == [7, 8, 9, 10, 11]
    assert [face.file for face in faces[:2]] == ["00000007.png", "00000008.png"]
    assert len({face.prompt for face in faces[:3]}) == 3 and faces[3].prompt == faces[0].prompt
    assert faces[0].attributes and faces[0].lasting and faces[0].generator == "tiny"
    assert len({face.together for face in faces}) == 1  # one batch for the walk, which groups by it


def test_a_face_drawn_alone_from_its_row_is_the_one_drawn_in_a_batch(tmp_path, model):
    made = drawn(asked(tmp_path, model))
    assert len(made) == 5 and all(pixels(data).shape == (SIDE, SIDE, 3) for _, data in made)
    face, data = made[3]
    row = manifest.FaceRecord("0", "generated", "tiny", face.file, "accepted", prompt=face.prompt, seed=face.seed)
    row = replace(row, drawn_with=json.loads(json.dumps(dict(face.drawn_with))))
    assert np.abs(pixels(stable_diffusion.redraw(row)) - pixels(data)).max() <= 1
    assert np.abs(pixels(face.load()) - pixels(data)).max() <= 1
    other = replace(row, seed=face.seed + 1)
    assert np.abs(pixels(stable_diffusion.redraw(other)) - pixels(data)).max() > 20
    with pytest.raises(console.PlainError, match="does not say how"):
        stable_diffusion.redraw(replace(row, drawn_with={}))


def test_the_prompt_the_negative_prompt_and_the_guidance_count(tmp_path, model):
    drawing = asked(tmp_path, model).settings.drawing

    def draw(prompt="a face", **changes) -> np.ndarray:
        changed = replace(drawing, **changes)
        return pixels(stable_diffusion.draw_one(stable_diffusion.load(changed), changed, prompt, 1))

    plain = draw()
    for other in (draw("an old man"), draw(negative_prompt="a hat"), draw(guidance=0), draw(steps=3)):
        assert np.abs(other - plain).max() > 1


def test_what_a_face_was_drawn_with_is_told(tmp_path, model):
    face, _ = drawn(asked(tmp_path, model, 1, negative_prompt="hat"))[0]
    told = dict(face.drawn_with)
    assert {name: told[name] for name in ("model", "steps", "size", "negative_prompt", "scheduler", "safety_checker")} == {
        "model": str(model),
        "steps": 2,
        "size": SIDE,
        "negative_prompt": "hat",
        "scheduler": "dpm++",
        "safety_checker": True,
    }
    assert (
        told["torch"] == torch.__version__ and told["dtype"] and told["device"] and {"diffusers", "transformers"} <= told.keys()
    )


@pytest.mark.parametrize("scheduler", stable_diffusion.SCHEDULERS)
def test_every_scheduler_draws(tmp_path, model, scheduler):
    drawing = replace(asked(tmp_path, model).settings.drawing, scheduler=scheduler, steps=3)
    artist = stable_diffusion.load(drawing)
    assert type(artist.pipe.scheduler).__name__ == (stable_diffusion.SCHEDULERS[scheduler] or "PNDMScheduler")
    assert not face_images.is_single_colour(face_images.decode(stable_diffusion.draw_one(artist, drawing, "a face", 1)))


@pytest.mark.parametrize("words", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"])
def test_a_batch_that_does_not_fit_is_halved(tmp_path, model, words):
    request = asked(tmp_path, model)
    artist = stable_diffusion.load(request.settings.drawing)
    artist.batch, tried = 4, []

    def small(module, args) -> None:
        tried.append(args[0].shape[0])
        if args[0].shape[0] > 2:  # guidance doubles the batch
            raise torch.OutOfMemoryError(words) if "CUDA" in words else RuntimeError(words)

    hook = artist.pipe.unet.register_forward_pre_hook(small)
    try:
        made = drawn(request)
    finally:
        hook.remove()
    assert [face.seed for face, _ in made] == [7, 8, 9, 10, 11]
    assert tried[:3] == [8, 4, 2] and max(tried[2:]) == 2 and artist.batch == 1


def test_a_picture_that_does_not_fit_alone_is_a_sentence_and_another_error_is_not(tmp_path, model):
    request = asked(tmp_path, model, 2)
    artist = stable_diffusion.load(request.settings.drawing)
    for error, expected, words in (
        (torch.OutOfMemoryError("out of memory"), console.PlainError, "--draw-size"),
        (RuntimeError("shapes differ"), RuntimeError, "shapes differ"),
    ):

        def fail(module, args, error=error) -> None:
            raise error

        hook = artist.pipe.unet.register_forward_pre_hook(fail)
        try:
            with pytest.raises(expected, match=words):
                drawn(request)
        finally:
            hook.remove()


def gathered(settings: CollectionSettings) -> list[manifest.FaceRecord]:
    from data_collection import collect

    settings.folder.mkdir(parents=True, exist_ok=True)
    path = manifest.manifest_path(settings.folder)
    return collect.gather(collect.ask(settings), manifest.read(settings.folder) if path.exists() else [], settings)[0]


def of_the_walk(folder, model, count=3, **changes) -> CollectionSettings:
    settings = asked(folder, model).settings
    (folder / "none").mkdir(exist_ok=True)
    sources = {"real": (f"folder:{folder / 'none'}",), "generated": (f"stable-diffusion:{count}",)}
    return replace(settings, **sources, min_side=32, image_size=32, keep_upscaled=True, **changes)


def test_a_collection_draws_only_what_its_manifest_lacks(tmp_path, model):
    assert [row.seed for row in gathered(of_the_walk(tmp_path, model, 2))] == [7, 8]
    drawing = of_the_walk(tmp_path, model).drawing
    painted = []
    hook = stable_diffusion.load(drawing).pipe.vae.decoder.register_forward_hook(lambda *_: painted.append(1))
    rows = gathered(of_the_walk(tmp_path, model, 4))
    hook.remove()
    assert [row.seed for row in rows] == [7, 8, 9, 10] and len(painted) == 2
    assert all(row.accepted and row.drawn_with["torch"] for row in rows)


def test_a_face_that_the_safety_checker_blacks_out_is_drawn_again_with_other_seeds_five_times(tmp_path, checked):
    rows = gathered(of_the_walk(tmp_path, checked, 2))
    assert {row.reason for row in rows} == {"single colour"}
    assert sorted(row.seed for row in rows if row.seed % 1_000_000 == 7) == [7 + 1_000_000 * attempt for attempt in range(6)]
    assert len({row.file for row in rows}) == len(rows) == 12
    assert gathered(of_the_walk(tmp_path, checked, 2)) == rows


def test_without_the_safety_checker_the_same_seeds_are_seen(tmp_path, checked):
    made = drawn(asked(tmp_path, checked, 2, safety_checker=False))
    assert not any(face_images.is_single_colour(face_images.decode(data)) for _, data in made)
    assert stable_diffusion.load(asked(tmp_path, checked, safety_checker=False).settings.drawing).pipe.safety_checker is None


def test_pickled_weights_of_2022_draw_the_same_quietly(tmp_path, checked, capfd):
    old = tmp_path / "old"
    shutil.copytree(checked, old)
    make_old(old)
    new, then = (
        drawn(asked(tmp_path / name, folder, 1, safety_checker=False))[0][1] for name, folder in (("a", checked), ("b", old))
    )
    assert np.array_equal(pixels(new), pixels(then))
    assert STABLE_DIFFUSION.find(asked(tmp_path, old, 1)) and drawn(asked(tmp_path / "c", old, 1))
    printed = capfd.readouterr()
    assert not [line for line in (printed.out + printed.err).splitlines() if "prompts by" not in line]


def test_what_was_drawn_beforehand_is_taken_in_and_not_drawn_again(tmp_path, model):
    request, alone = asked(tmp_path, model), PartialState(cpu=True)
    assert stable_diffusion.draw_share(request, alone) == 5
    stable_diffusion._loaded.clear()
    made = drawn(request)
    assert not stable_diffusion._loaded  # nothing was left to draw
    assert [face.seed for face, _ in made] == [7, 8, 9, 10, 11] and all(face.drawn_with["torch"] for face, _ in made)
    assert stable_diffusion.draw_share(request, alone) == 0
    other = asked(tmp_path, model, steps=3)
    assert stable_diffusion.draw_share(replace(other, argument="1"), alone) == 1  # drawn with other settings


def test_a_model_of_the_hub_is_fetched_once_and_its_commit_told(tmp_path, model, empty_cache, capfd):
    with hub({"toys/tiny": model}) as url:
        empty_cache(url)
        needs = {need.what: need for need in STABLE_DIFFUSION.needs(asked(tmp_path, "toys/tiny"))}
        assert needs["the model toys/tiny"].there and "the hub has it" in needs["the model toys/tiny"].found
        assert needs["disk for the model"].there
        face, first = drawn(asked(tmp_path, "toys/tiny", 1))[0]
        assert face.drawn_with["revision"] == COMMIT and face.generator == "tiny"
    empty_cache("http://127.0.0.1:9")
    needs = {need.what: need.found for need in STABLE_DIFFUSION.needs(asked(tmp_path, "toys/tiny"))}
    assert needs["the model toys/tiny"] == "is in the cache" and "disk for the model" not in needs
    stable_diffusion._loaded.clear()
    row = manifest.FaceRecord("0", "generated", "tiny", face.file, "accepted", prompt=face.prompt, seed=face.seed)
    again = stable_diffusion.redraw(replace(row, drawn_with=dict(face.drawn_with)))
    assert np.abs(pixels(again) - pixels(first)).max() <= 1


FAULTS = {
    "gated": (403, "is gated"),
    "absent": (404, "is not on the hub"),
    "private": (401, "set HF_TOKEN"),
    "overloaded": (503, "refuses to answer"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_hub_refuses_is_a_sentence(tmp_path, model, empty_cache, fault):
    status, words = FAULTS[fault]
    with hub({"toys/tiny": model}, refuse=lambda path: status) as url:
        empty_cache(url)
        need = next(need for need in STABLE_DIFFUSION.needs(asked(tmp_path, "toys/tiny")) if "model toys" in need.what)
        assert not need.there and words in need.found and "--model" in need.instead
        with pytest.raises(console.PlainError, match=words) as caught:
            drawn(asked(tmp_path, "toys/tiny"))
    assert caught.value.exit_code == console.REMOTE


def test_a_hub_that_cannot_be_reached_is_told_at_once(tmp_path, empty_cache):
    empty_cache("http://127.0.0.1:9")
    with pytest.raises(console.PlainError, match="cannot be reached"):
        drawn(asked(tmp_path, "toys/tiny"))


def test_an_interrupted_download_is_found_and_completed(tmp_path, model, empty_cache):
    with hub({"toys/tiny": model}) as url:
        empty_cache(url)
        first = drawn(asked(tmp_path, "toys/tiny", 1))[0][1]
        blobs = tmp_path / "hub" / "models--toys--tiny" / "blobs"
        lost = max(blobs.iterdir(), key=lambda file: file.stat().st_size)
        lost.rename(lost.with_name("0.1.incomplete"))
        where = stable_diffusion.whereabouts("toys/tiny")
        assert where.there and not where.folder and "1 unfinished files" in where.found
        stable_diffusion._loaded.clear()
        assert np.array_equal(pixels(drawn(asked(tmp_path, "toys/tiny", 1))[0][1]), pixels(first))


def test_a_folder_that_is_no_model_is_told_apart(tmp_path, model):
    def found(folder) -> str:
        where = stable_diffusion.whereabouts(str(folder))
        assert not where.there
        with pytest.raises(console.PlainError):
            drawn(asked(tmp_path, folder, 1))
        return where.found

    (tmp_path / "empty").mkdir()
    assert "model_index.json" in found(tmp_path / "empty")
    assert "is no folder" in found(tmp_path / "nowhere")
    broken = shutil.copytree(model, tmp_path / "broken")
    (broken / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert "lacks the weights of its unet" in found(broken)
    index = json.loads((broken / "model_index.json").read_text())
    shutil.copytree(model, broken, dirs_exist_ok=True)
    (broken / "model_index.json").write_text(json.dumps(index | {"_class_name": "FluxPipeline"}))
    assert "is a FluxPipeline" in found(broken)


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_damaged_weights_are_a_sentence(tmp_path, model, part):
    broken = shutil.copytree(model, tmp_path / "broken")
    weights = broken / part / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(console.PlainError, match="is damaged") as caught:
        drawn(asked(tmp_path, broken, 1))
    assert caught.value.exit_code == console.BAD_MODEL and caught.value.__suppress_context__


def test_what_is_no_count_or_scheduler_is_refused_before_prompts_are_written(tmp_path, model):
    for request, words in (
        (replace(asked(tmp_path, model), argument="many"), "whole number"),
        (replace(asked(tmp_path, model), argument="1000001"), "at most"),
        (asked(tmp_path, model, scheduler="euler"), "choose one of dpm"),
    ):
        with pytest.raises(console.PlainError, match=words):
            STABLE_DIFFUSION.find(request)
    assert not (tmp_path / "faces").exists()


def test_the_source_is_named_after_its_model(model):
    settings = CollectionSettings()
    assert STABLE_DIFFUSION.name("300@stabilityai/sd-turbo", settings) == "sd-turbo"
    assert STABLE_DIFFUSION.name("300", settings) == "Realistic_Vision_V1.4"
    assert STABLE_DIFFUSION.name(f"300@{model}/", settings) == "tiny"


def test_the_needs_tell_what_this_machine_has(tmp_path, model):
    needs = {need.what: need for need in STABLE_DIFFUSION.needs(asked(tmp_path, model, 700, draw_size=512, steps=25))}
    assert needs[f"the model {model}"].found == "is a folder" and all(need.there for need in needs.values())
    if not torch.cuda.is_available():
        assert "hours on this CPU" in needs["a GPU"].found and needs["a GPU"].instead == "--generated folder:PATH"
    needs = {need.what: need for need in STABLE_DIFFUSION.needs(asked(tmp_path, model, 1_000_000, draw_size=4096))}
    assert not needs["disk for the pictures"].there


def test_a_model_that_has_half_precision_files_only_is_loaded_too(tmp_path, model):
    half = shutil.copytree(model, tmp_path / "half")
    for file in half.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert np.array_equal(*(pixels(drawn(asked(tmp_path, folder, 1))[0][1]) for folder in (half, model)))


def test_half_precision_draws_nearly_the_same(tmp_path, model, monkeypatch):
    single = drawn(asked(tmp_path, model, 1))[0][1]
    monkeypatch.setitem(stable_diffusion.DTYPES, "cpu", "float16")
    stable_diffusion._loaded.clear()
    face, half = drawn(asked(tmp_path, model, 1))[0]
    stable_diffusion._loaded.clear()
    assert face.drawn_with["dtype"] == "float16"
    assert 0 < np.abs(pixels(half) - pixels(single)).max() < 40
