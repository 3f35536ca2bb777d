"""Faces for the page, by a tiny pipeline on disk that is loaded as the real ones are, and by a service on this machine."""

import io
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_collection.diffusion import pipeline_loader
from data_collection.settings import GenerationSettings
from data_collection.sources import reconstruction, sample
from detection.generate.generate import PageGenerator
from detection.generate.generators import PAGE_GENERATORS, GeneratedFace
from runtime import console
from toys.commands import REPOSITORY_ROOT, build_environment, fetch_or_skip
from toys.diffusion import GENERATED_SIDE_PX, GENERATION_MARKS, decode_pixels, save_pipeline
from toys.images import encode_image, make_image
from toys.model_hub import serve_hub
from toys.openai_server import API_KEY, make_error_reply

pytestmark = GENERATION_MARKS

PROMPT = "a photo of the face of an old fisherman"


def drawer(source: str, **drawing: object) -> PageGenerator:
    return PageGenerator.of(
        source, GenerationSettings(**{"steps": 2, "generation_size": GENERATED_SIDE_PX, **drawing})
    )


def photo(width: int = 96, height: int = 80) -> bytes:
    return encode_image(make_image(5, width).crop((0, 0, width, height)), "JPEG", quality=95)


# ---------------------------------------------------------------- what is drawn


def test_a_prompt_and_a_seed_give_one_picture_and_say_with_what(model):
    drawing = drawer(f"stable-diffusion@{model}")
    assert drawing.kind == "prompt"
    first, again = drawing.draw(PROMPT, None, 7), drawing.draw(f"  {PROMPT}\n", photo(), 7)
    assert (
        decode_pixels(first.png).shape == (GENERATED_SIDE_PX, GENERATED_SIDE_PX, 3)
        and first == again
    )
    assert first.told == "tiny, seed 7, 2 steps, guidance 7, 64 x 64 pixels, on cpu in float32"
    assert Image.open(io.BytesIO(first.png)).info == {}
    for other in (drawing.draw("a nurse", None, 7), drawing.draw(PROMPT, None, 8)):
        assert np.abs(decode_pixels(other.png) - decode_pixels(first.png)).max() > 1


def test_the_model_is_loaded_once_and_kept(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "for a while")
    drawing = drawer(f"stable-diffusion:300@{folder}")
    first = drawing.draw(PROMPT, None, 1)
    shutil.rmtree(folder)
    assert drawing.draw(PROMPT, None, 1).png == first.png


def test_a_photo_is_passed_through_the_autoencoder_at_no_more_than_its_own_size(model):
    drawing = drawer(f"reconstruction@{model}")
    assert drawing.kind == "photo"
    drawn = drawing.draw("", photo(96, 50), 7)
    assert decode_pixels(drawn.png).shape == (48, 48, 3) and drawn == drawing.draw(
        "", photo(96, 50), 8
    )
    assert (
        "the autoencoder alone" in drawn.told
        and "48 x 48 pixels" in drawn.told
        and "seed 7" not in drawn.told
    )
    settings = GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    square = reconstruction.decode_square(photo(96, 50), 48)
    assert (
        drawn.png
        == reconstruction.reconstruct_images(
            reconstruction.load_reconstruction_pipeline(settings), settings, [square], [None]
        )[0]
    )


def test_a_photo_is_redrawn_with_a_strength(model):
    drawing = drawer(f"reconstruction@{model}", strength=0.5)
    drawn = drawing.draw("", photo(), 7)
    assert "redrawn with strength 0.5, seed 7, 2 steps" in drawn.told and drawn != drawing.draw(
        "", photo(), 8
    )


def test_a_service_is_asked_for_one_picture(service):
    drawing = PageGenerator.of("openai-images@some-image-1")
    assert (drawing.kind, drawing.ready()) == ("prompt", "")
    drawn = drawing.draw(PROMPT, None, 7)
    assert drawn.png == encode_image(make_image(1)) and drawn.told.startswith(
        "some-image-1 of an OpenAI service, which takes no seed, 96 x"
    )
    (received,) = service.received
    assert (received.body["model"], received.body["prompt"]) == ("some-image-1", PROMPT)


def test_the_samples_generator_draws_from_a_seed_alone():
    fetch_or_skip(sample.DCGAN_PACKAGE)
    sample._load_dcgan_network.cache_clear()
    drawing = PageGenerator.of("dcgan")
    assert (drawing.kind, drawing.ready()) == ("nothing", "")
    drawn = drawing.draw("", None, 2**31 - 1)
    assert decode_pixels(drawn.png).shape == (64, 64, 3) and drawn != drawing.draw("", None, 7)
    assert drawn.told == "the sample's DCGAN, seed 2147483647, 64 x 64 pixels"


# ---------------------------------------------------------------- one at a time


def test_a_second_drawing_is_refused_at_once_and_the_first_goes_on(model):
    drawing, other = drawer(f"stable-diffusion@{model}"), drawer(f"reconstruction@{model}")
    expected = drawing.draw(PROMPT, None, 3)
    begun, go_on, drawn = threading.Event(), threading.Event(), []

    def wait(module, args) -> None:
        begun.set()
        assert go_on.wait(30)

    artist = pipeline_loader.load_pipeline(
        GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    )
    hook = artist.pipe.unet.register_forward_pre_hook(wait)
    thread = threading.Thread(target=lambda: drawn.append(drawing.draw(PROMPT, None, 3)))
    thread.start()
    try:
        assert begun.wait(30)
        start = time.monotonic()
        for one in (drawing, other):
            with pytest.raises(console.PlainError, match="Another face is being drawn") as refused:
                one.draw(PROMPT, photo(), 4)
            assert refused.value.exit_code == console.EXIT_BUSY
        assert time.monotonic() - start < 1
    finally:
        go_on.set()
        thread.join()
        hook.remove()
    assert drawn == [expected]
    assert drawing.draw(PROMPT, None, 3) == expected


# ---------------------------------------------------------------- what cannot be drawn


@pytest.mark.parametrize(
    "source",
    [
        "",
        "stable-diffusion@",
        "stablediffusion",
        "folder:faces",
        "dcgan@model",
        "openai-images:edit:5",
        "stable-diffusion:x@m",
        "@m",
    ],
)
def test_what_is_no_generator_is_refused_with_those_that_there_are(source):
    with pytest.raises(
        console.PlainError,
        match="write one of stable-diffusion@MODEL, reconstruction@MODEL, openai-images",
    ):
        PageGenerator.of(source)


def test_settings_that_cannot_be_drawn_with_are_refused_before_anything_is_loaded():
    with pytest.raises(console.PlainError, match="scheduler"):
        drawer("stable-diffusion", scheduler="none such")
    with pytest.raises(console.PlainError, match="leaves no step"):
        drawer("reconstruction", strength=0.1)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("", "empty"), (" \n\t", "empty"), ("x" * 2001, "2001 characters; give 2000 at most")],
)
def test_an_empty_and_an_over_long_prompt_are_one_sentence(model, prompt, words):
    with pytest.raises(console.PlainError, match=words):
        drawer(f"stable-diffusion@{model}").draw(prompt, None, 1)


def test_a_long_prompt_is_drawn(model):
    assert drawer(f"stable-diffusion@{model}").draw("a face " * 285, None, 1).png


def test_a_photo_that_is_none_is_one_sentence(model):
    drawing = drawer(f"reconstruction@{model}")
    for data, words in (
        (None, "no photo"),
        (b"", "no photo"),
        (b"no picture", "not an image"),
        (photo()[:900], "damaged"),
    ):
        with pytest.raises(console.PlainError, match=words):
            drawing.draw("", data, 1)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(model, seed):
    with pytest.raises(console.PlainError, match="from 0 to 2147483647"):
        drawer(f"stable-diffusion@{model}").draw(PROMPT, None, seed)


def test_what_the_safety_checker_refuses_is_one_sentence_and_the_next_can_draw(model, tmp_path):
    checked = save_pipeline(tmp_path / "checked", flagged="all")
    drawing = drawer(f"stable-diffusion@{checked}")
    with pytest.raises(
        console.PlainError, match="single colour, and so with another seed.*Give another prompt"
    ):
        drawing.draw(PROMPT, None, 1)
    assert drawer(f"stable-diffusion@{checked}", safety_checker=False).draw(PROMPT, None, 1).png
    black = encode_image(Image.new("RGB", (64, 64)))
    with pytest.raises(
        console.PlainError
    ) as refused:  # by whichever model: nothing can be seen in it
        _always(black).draw("", None, 1)
    assert "Give another seed" in str(refused.value)


def _always(png: bytes) -> PageGenerator:
    return PageGenerator(
        "dcgan",
        replace(PAGE_GENERATORS["dcgan"], draw=lambda drawing, wish: GeneratedFace(png, "")),
        GenerationSettings(),
    )


def test_a_picture_that_came_out_black_is_drawn_again_with_another_seed(model):
    seeds = []

    def draw(drawing, wish) -> GeneratedFace:
        seeds.append(wish.seed)
        return GeneratedFace(
            encode_image(Image.new("RGB", (64, 64)) if len(seeds) == 1 else make_image(1)),
            f"seed {wish.seed}",
        )

    drawn = PageGenerator(
        "dcgan", replace(PAGE_GENERATORS["dcgan"], draw=draw), GenerationSettings()
    ).draw("", None, 5)
    assert (seeds, drawn.told) == ([5, 1_000_005], "seed 1000005")


# ---------------------------------------------------------------- what is in the way


def test_a_wrong_model_is_told_beforehand_and_when_it_is_drawn_with(model, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copytree(model, tmp_path / "damaged")
    (tmp_path / "damaged" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(
        b"no weights"
    )
    for name, beforehand, words in (
        ("empty", "without a readable model_index.json", "model_index.json"),
        ("nowhere", "is no folder", "is no folder"),
        ("damaged", "", "Cannot load"),
    ):
        drawing = drawer(f"stable-diffusion@{tmp_path / name}")
        assert beforehand in drawing.ready()
        with pytest.raises(console.PlainError, match=words):
            drawing.draw(PROMPT, None, 1)
    assert drawer(f"stable-diffusion@{model}").draw(PROMPT, None, 1).png  # nothing is held


def test_readiness_is_told_without_importing_what_draws(model):
    program = (
        "import sys\nfrom detection.generate.generate import PageGenerator\n"
        f"words = [PageGenerator.of(kind + '@{model}').ready() for kind in ('stable-diffusion', 'reconstruction')]\n"
        "print(words, PageGenerator.of('openai-images').ready(), PageGenerator.of('dcgan').ready(), sep='|')\n"
        "print([name for name in ('torch', 'diffusers', 'transformers', 'openai', 'tensorflow') if name in sys.modules])"
    )
    environment = build_environment(OPENAI_API_KEY="")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, modules = done.stdout.strip().splitlines()
    assert modules == "[]" and first.endswith("|OPENAI_API_KEY is not set.|")


def test_a_model_that_is_still_on_the_hub_is_told_with_its_size(model, tmp_path):
    program = "from detection.generate.generate import PageGenerator\nfor kind in ('stable-diffusion', 'reconstruction'):\n"
    program += (
        " for name in ('tiny', 'none'): print(PageGenerator.of(f'{kind}@toys/{name}').ready())"
    )
    with serve_hub({"toys/tiny": model}) as url:
        environment = build_environment(HF_ENDPOINT=url, HF_HOME=str(tmp_path))
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY_ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    whole, none, part, _ = done.stdout.splitlines()
    for told in (whole, part):
        assert told.startswith("The first picture waits for the download of toys/tiny, about ")
    assert (
        whole != part
        and none
        == "The model toys/none is not on the hub, or is private: check its name, or set HF_TOKEN."
    )


def test_a_computer_without_a_gpu_is_told_how_long_it_takes(model):
    import torch

    small, large = (
        drawer(f"stable-diffusion@{model}", generation_size=side, steps=50).ready()
        for side in (64, 2048)
    )
    if torch.cuda.is_available():
        assert small == large == ""
    else:
        assert small == "There is no GPU here; a picture takes very roughly 1 min."
        assert (
            large.startswith("There is no GPU here; a picture takes very roughly ")
            and large != small
        )


def test_a_sound_folder_is_all_that_a_reconstruction_needs_of_its_model(model, tmp_path):
    shutil.copytree(model / "vae", tmp_path / "parts" / "vae")
    drawing = drawer(f"reconstruction@{tmp_path / 'parts'}")
    assert "lacks" not in drawing.ready() and drawing.draw("", photo(), 1).png


def test_secrets_are_never_told(service, monkeypatch):
    service.script += [
        make_error_reply(401, "invalid_api_key", f"Incorrect API key provided: {API_KEY}")
    ]
    monkeypatch.setenv("HF_TOKEN", "a-token-of-the-hub")
    with pytest.raises(console.PlainError, match="refuses the key") as refused:
        PageGenerator.of("openai-images").draw(PROMPT, None, 1)
    hub = PageGenerator.of(
        "stable-diffusion@https://me:geheim@hub.example/a-token-of-the-hub/hf_abcdefghij"
    )
    with pytest.raises(console.PlainError, match="is no folder") as wrong:
        hub.draw(PROMPT, None, 1)
    told = f"{refused.value} {wrong.value} {hub.ready()}"
    assert not any(secret in told for secret in (API_KEY, "geheim", "a-token", "hf_abc"))
    assert refused.value.__context__ is None and wrong.value.__context__ is None


def test_a_refusal_of_moderation_is_one_sentence(service):
    service.script += [make_error_reply(400, "moderation_blocked", "Your request was rejected.")]
    with pytest.raises(
        console.PlainError, match="^Refused by moderation: your request was rejected.$"
    ):
        PageGenerator.of("openai-images").draw(PROMPT, None, 1)


def test_another_fault_names_itself_and_frees_the_pen(model):
    drawing = drawer(f"stable-diffusion@{model}")
    drawing.draw(PROMPT, None, 1)
    artist = pipeline_loader.load_pipeline(
        GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    )

    def fail(module, args) -> None:
        raise RuntimeError("shapes\ndiffer")

    hook = artist.pipe.unet.register_forward_pre_hook(fail)
    try:
        with pytest.raises(
            console.PlainError, match="could not be drawn: RuntimeError, shapes differ"
        ):
            drawing.draw(PROMPT, None, 2)
    finally:
        hook.remove()
    assert drawing.draw(PROMPT, None, 2).png
