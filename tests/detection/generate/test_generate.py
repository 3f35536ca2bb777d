"""Generate faces for the page with a tiny pipeline, loaded from disk as real ones are, and with a
service on this machine."""

import errno
import io
import os
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
from data_collection.generation import reconstruction_generator
from data_collection.settings import GenerationSettings
from data_collection.sources import sample
from detection.generate.generate import PageGenerator
from detection.generate.generators import PAGE_GENERATORS
from runtime import console
from toys.commands import REPOSITORY_ROOT, build_environment, fetch_or_skip
from toys.diffusion import GENERATED_SIDE_PX, GENERATION_MARKS, decode_pixels, save_pipeline
from toys.images import encode_image, make_image
from toys.model_hub import serve_hub
from toys.openai_server import API_KEY, make_error_reply

pytestmark = GENERATION_MARKS

PROMPT = "a photo of the face of an old fisherman"


def make_generator(source: str, **generation: object) -> PageGenerator:
    return PageGenerator.from_source(
        source,
        GenerationSettings(**{"steps": 2, "generation_size": GENERATED_SIDE_PX, **generation}),
    )


def photo(width: int = 96, height: int = 80) -> bytes:
    return encode_image(make_image(5, width).crop((0, 0, width, height)), "JPEG", quality=95)


# ---------------------------------------------------------------- faces


def test_a_prompt_and_a_seed_give_one_picture_and_say_with_what(model):
    generator = make_generator(f"stable-diffusion@{model}")
    assert generator.kind == "prompt"
    first, again = (
        generator.generate(PROMPT, None, 7),
        generator.generate(f"  {PROMPT}\n", photo(), 7),
    )
    assert (
        decode_pixels(first.png).shape == (GENERATED_SIDE_PX, GENERATED_SIDE_PX, 3)
        and first == again
    )
    assert (
        first.description == "tiny, seed 7, 2 steps, guidance 7, 64 x 64 pixels, on cpu in float32"
    )
    assert Image.open(io.BytesIO(first.png)).info == {}
    for other in (generator.generate("a nurse", None, 7), generator.generate(PROMPT, None, 8)):
        assert np.abs(decode_pixels(other.png) - decode_pixels(first.png)).max() > 1


def test_the_model_is_loaded_once_and_kept(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "for a while")
    generator = make_generator(f"stable-diffusion:300@{folder}")
    first = generator.generate(PROMPT, None, 1)
    shutil.rmtree(folder)
    assert generator.generate(PROMPT, None, 1).png == first.png


def test_a_photo_is_passed_through_the_autoencoder_at_no_more_than_its_own_size(model):
    generator = make_generator(f"reconstruction@{model}")
    assert generator.kind == "photo"
    face = generator.generate("", photo(96, 50), 7)
    assert decode_pixels(face.png).shape == (48, 48, 3) and face == generator.generate(
        "", photo(96, 50), 8
    )
    assert (
        "the autoencoder alone" in face.description
        and "48 x 48 pixels" in face.description
        and "seed 7" not in face.description
    )
    settings = GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    square = reconstruction_generator.decode_square(photo(96, 50), 48)
    assert (
        face.png
        == reconstruction_generator.reconstruct_images(
            reconstruction_generator.load_reconstruction_pipeline(settings),
            settings,
            [square],
            [None],
        )[0]
    )


def test_a_photo_is_redrawn_with_a_strength(model):
    generator = make_generator(f"reconstruction@{model}", strength=0.5)
    face = generator.generate("", photo(), 7)
    assert (
        "redrawn with strength 0.5, seed 7, 2 steps" in face.description
        and face != generator.generate("", photo(), 8)
    )


def test_a_service_is_asked_for_one_picture(service):
    generator = PageGenerator.from_source("openai-images@some-image-1")
    assert (generator.kind, generator.describe_obstacles()) == ("prompt", "")
    face = generator.generate(PROMPT, None, 7)
    assert face.png == encode_image(make_image(1)) and face.description.startswith(
        "some-image-1 of an OpenAI service, which takes no seed, 96 x"
    )
    (request,) = service.received
    assert (request.body["model"], request.body["prompt"]) == ("some-image-1", PROMPT)


def test_the_samples_generator_needs_a_seed_alone():
    fetch_or_skip(sample.DCGAN_PACKAGE)
    sample._load_dcgan_network.cache_clear()
    generator = PageGenerator.from_source("dcgan")
    assert (generator.kind, generator.describe_obstacles()) == ("nothing", "")
    face = generator.generate("", None, 2**31 - 1)
    assert decode_pixels(face.png).shape == (64, 64, 3) and face != generator.generate("", None, 7)
    assert face.description == "the sample's DCGAN, seed 2147483647, 64 x 64 pixels"


# ---------------------------------------------------------------- one at a time


def test_a_second_generation_is_refused_at_once_and_the_first_goes_on(model):
    generator, other = (
        make_generator(f"stable-diffusion@{model}"),
        make_generator(f"reconstruction@{model}"),
    )
    expected = generator.generate(PROMPT, None, 3)
    started, resume, faces = threading.Event(), threading.Event(), []

    def wait(module, args) -> None:
        started.set()
        assert resume.wait(30)

    loaded = pipeline_loader.load_pipeline(
        GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    )
    hook = loaded.pipeline.unet.register_forward_pre_hook(wait)
    thread = threading.Thread(target=lambda: faces.append(generator.generate(PROMPT, None, 3)))
    thread.start()
    try:
        assert started.wait(30)
        start = time.monotonic()
        for second in (generator, other):
            with pytest.raises(
                console.PlainError, match="Another face is being generated"
            ) as caught:
                second.generate(PROMPT, photo(), 4)
            assert caught.value.exit_code == console.EXIT_BUSY
        assert time.monotonic() - start < 1
    finally:
        resume.set()
        thread.join()
        hook.remove()
    assert faces == [expected]
    assert generator.generate(PROMPT, None, 3) == expected


# ---------------------------------------------------------------- refusals


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
        PageGenerator.from_source(source)


def test_settings_that_no_generator_can_use_are_refused_before_anything_is_loaded():
    with pytest.raises(console.PlainError, match="scheduler"):
        make_generator("stable-diffusion", scheduler="none such")
    with pytest.raises(console.PlainError, match="leaves no step"):
        make_generator("reconstruction", strength=0.1)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [("", "empty"), (" \n\t", "empty"), ("x" * 2001, "2001 characters; give 2000 at most")],
)
def test_an_empty_and_an_over_long_prompt_are_one_sentence(model, prompt, words):
    with pytest.raises(console.PlainError, match=words):
        make_generator(f"stable-diffusion@{model}").generate(prompt, None, 1)


def test_a_long_prompt_gives_a_face(model):
    assert make_generator(f"stable-diffusion@{model}").generate("a face " * 285, None, 1).png


def test_a_photo_that_is_none_is_one_sentence(model):
    generator = make_generator(f"reconstruction@{model}")
    for data, words in (
        (None, "no photo"),
        (b"", "no photo"),
        (b"no picture", "not an image"),
        (photo()[:900], "damaged"),
    ):
        with pytest.raises(console.PlainError, match=words):
            generator.generate("", data, 1)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_out_of_range_is_refused(model, seed):
    with pytest.raises(console.PlainError, match="from 0 to 2147483647"):
        make_generator(f"stable-diffusion@{model}").generate(PROMPT, None, seed)


def test_what_the_safety_checker_refuses_is_one_sentence_and_the_next_face_is_generated(
    model, tmp_path
):
    checked = save_pipeline(tmp_path / "checked", flagged="all")
    generator = make_generator(f"stable-diffusion@{checked}")
    with pytest.raises(
        console.PlainError, match="single colour, also with another seed.*Give another prompt"
    ):
        generator.generate(PROMPT, None, 1)
    assert (
        make_generator(f"stable-diffusion@{checked}", safety_checker=False)
        .generate(PROMPT, None, 1)
        .png
    )
    black = encode_image(Image.new("RGB", (64, 64)))
    with pytest.raises(console.PlainError) as caught:  # whichever generator it is
        make_fixed_generator(FixedGenerator([black])).generate("", None, 1)
    assert "Give another seed" in str(caught.value)


class FixedGenerator:
    """A FaceGenerator that yields given images in turn, then repeats the last one."""

    environment: dict[str, object] = {}

    def __init__(self, images: list[bytes]):
        self.images, self.seeds = images, []

    def check(self) -> None:
        pass

    def generate(self, inputs):
        for face_input in inputs:
            self.seeds.append(face_input.seed)
            yield self.images[min(len(self.seeds), len(self.images)) - 1]


class FailingGenerator(FixedGenerator):
    """A FaceGenerator that raises an error."""

    def __init__(self, error: Exception):
        super().__init__([])
        self.error = error

    def generate(self, inputs):
        raise self.error


def make_fixed_generator(generator: FixedGenerator) -> PageGenerator:
    spec = replace(PAGE_GENERATORS["dcgan"], make=lambda generation: generator)
    return PageGenerator("dcgan", spec, GenerationSettings())


def test_a_picture_that_came_out_black_is_generated_again_with_another_seed():
    black = encode_image(Image.new("RGB", (64, 64)))
    fixed = FixedGenerator([black, encode_image(make_image(1))])
    face = make_fixed_generator(fixed).generate("", None, 5)
    assert fixed.seeds == [5, 1_000_005] and face.png == fixed.images[1]
    assert face.description.startswith("the sample's DCGAN, seed 1000005, ")


@pytest.mark.parametrize(
    "error",
    [
        *(
            OSError(number, os.strerror(number), "/cache/unet.safetensors")
            for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
        ),
        RuntimeError("Data processing error: No space left on device (os error 28)"),
    ],
    ids=str,
)
def test_a_full_disk_is_the_ordinary_sentence_with_code_6(error):
    with pytest.raises(console.PlainError) as caught:
        make_fixed_generator(FailingGenerator(error)).generate("", None, 5)
    assert caught.value.exit_code == console.EXIT_DISK
    assert str(caught.value) == str(console.explain_os_error(error))
    assert caught.value.__context__ is None


# ---------------------------------------------------------------- obstacles


def test_a_wrong_model_is_named_beforehand_and_when_a_face_is_generated(model, tmp_path):
    (tmp_path / "empty").mkdir()
    shutil.copytree(model, tmp_path / "damaged")
    (tmp_path / "damaged" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(
        b"no weights"
    )
    for name, beforehand, words in (
        ("empty", "without a readable model_index.json", "model_index.json"),
        ("nowhere", "is not a folder", "is not a folder"),
        ("damaged", "", "Cannot load"),
    ):
        generator = make_generator(f"stable-diffusion@{tmp_path / name}")
        assert beforehand in generator.describe_obstacles()
        with pytest.raises(console.PlainError, match=words):
            generator.generate(PROMPT, None, 1)
    assert (
        make_generator(f"stable-diffusion@{model}").generate(PROMPT, None, 1).png
    )  # the lock is free


OBSTACLES_PROGRAM = """
import sys
from detection.generate.generate import PageGenerator

def describe(source):
    return PageGenerator.from_source(source).describe_obstacles()

texts = [describe(kind + "@" + sys.argv[1]) for kind in ("stable-diffusion", "reconstruction")]
print(texts, describe("openai-images"), describe("dcgan"), sep="|")
heavy = ("torch", "diffusers", "transformers", "openai", "tensorflow")
print([name for name in heavy if name in sys.modules])
"""


def test_obstacles_are_described_without_importing_heavy_packages(model):
    environment = build_environment(OPENAI_API_KEY="")
    process = subprocess.run(
        [sys.executable, "-c", OBSTACLES_PROGRAM, str(model)],
        cwd=REPOSITORY_ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    first, modules = process.stdout.strip().splitlines()
    assert modules == "[]" and first.endswith("|OPENAI_API_KEY is not set.|")


HUB_PROGRAM = """
from detection.generate.generate import PageGenerator

for kind in ("stable-diffusion", "reconstruction"):
    for name in ("tiny", "none"):
        print(PageGenerator.from_source(f"{kind}@toys/{name}").describe_obstacles())
"""


def test_a_model_that_is_still_on_the_hub_is_told_with_its_size(model, tmp_path):
    with serve_hub({"toys/tiny": model}) as url:
        environment = build_environment(HF_ENDPOINT=url, HF_HOME=str(tmp_path))
        process = subprocess.run(
            [sys.executable, "-c", HUB_PROGRAM],
            cwd=REPOSITORY_ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    whole_model, missing, autoencoder, _ = process.stdout.splitlines()
    for text in (whole_model, autoencoder):
        assert text.startswith("The first image waits for the download of toys/tiny, about ")
    assert (
        whole_model != autoencoder
        and missing
        == "The model toys/none is not on the hub, or is private: check its name, or set HF_TOKEN."
    )


def test_a_computer_without_a_gpu_is_told_how_long_it_takes(model):
    import torch

    small, large = (
        make_generator(
            f"stable-diffusion@{model}", generation_size=side, steps=50
        ).describe_obstacles()
        for side in (64, 2048)
    )
    if torch.cuda.is_available():
        assert small == large == ""
    else:
        assert small == "There is no GPU here; an image takes very roughly 1 minute."
        assert (
            large.startswith("There is no GPU here; an image takes very roughly ")
            and large != small
        )


def test_a_sound_folder_is_all_that_a_reconstruction_needs_of_its_model(model, tmp_path):
    shutil.copytree(model / "vae", tmp_path / "parts" / "vae")
    generator = make_generator(f"reconstruction@{tmp_path / 'parts'}")
    assert "lacks" not in generator.describe_obstacles() and generator.generate("", photo(), 1).png


def test_secrets_are_in_no_message(service, monkeypatch):
    service.script += [
        make_error_reply(401, "invalid_api_key", f"Incorrect API key provided: {API_KEY}")
    ]
    monkeypatch.setenv("HF_TOKEN", "a-token-of-the-hub")
    with pytest.raises(console.PlainError, match="rejects the key") as key_error:
        PageGenerator.from_source("openai-images").generate(PROMPT, None, 1)
    hub = PageGenerator.from_source(
        "stable-diffusion@https://me:geheim@hub.example/a-token-of-the-hub/hf_abcdefghij"
    )
    with pytest.raises(console.PlainError, match="is not a folder") as model_error:
        hub.generate(PROMPT, None, 1)
    texts = f"{key_error.value} {model_error.value} {hub.describe_obstacles()}"
    assert not any(secret in texts for secret in (API_KEY, "geheim", "a-token", "hf_abc"))
    assert key_error.value.__context__ is None and model_error.value.__context__ is None


def test_a_refusal_of_moderation_is_one_sentence(service):
    service.script += [make_error_reply(400, "moderation_blocked", "Your request was rejected.")]
    with pytest.raises(
        console.PlainError, match="^Refused by moderation: your request was rejected.$"
    ):
        PageGenerator.from_source("openai-images").generate(PROMPT, None, 1)


def test_another_fault_names_itself_and_frees_the_lock(model):
    generator = make_generator(f"stable-diffusion@{model}")
    generator.generate(PROMPT, None, 1)
    loaded = pipeline_loader.load_pipeline(
        GenerationSettings(model=str(model), steps=2, generation_size=GENERATED_SIDE_PX)
    )

    def fail(module, args) -> None:
        raise RuntimeError("shapes\ndiffer")

    hook = loaded.pipeline.unet.register_forward_pre_hook(fail)
    try:
        with pytest.raises(
            console.PlainError, match="could not be generated: RuntimeError, shapes differ"
        ):
            generator.generate(PROMPT, None, 2)
    finally:
        hook.remove()
    assert generator.generate(PROMPT, None, 2).png


def test_a_family_of_models_brings_its_own_settings():
    generator = PageGenerator.from_source("stable-diffusion@flux-schnell")
    assert generator._generation.model == "black-forest-labs/FLUX.1-schnell"
    assert (generator._generation.steps, generator._generation.scheduler) == (4, "own")
