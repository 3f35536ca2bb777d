"""Services and models that are hostile, damaged or missing: each fault ends in a sentence."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_collection.diffusion import pipeline_cache
from data_collection.images import decode, quality
from data_collection.prompts import prompt_file, prompts
from data_collection.settings import PromptSettings
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.commands import run_command
from toys.diffusion import (
    GENERATION_MARKS,
    OLD_WEIGHT_NAMES,
    WEIGHT_STEMS,
    generate_faces,
    make_request,
    save_pipeline,
)
from toys.openai_server import make_faces_reply
from toys.prompt_settings import GPT_SETTINGS, catch_refusal, list_texts

pytestmark = GENERATION_MARKS


# Prompts that are too long


@pytest.mark.parametrize("style", ["short", "long"])
def test_a_word_without_end_is_no_prompt(tmp_path, service, style):
    service.script.append(make_faces_reply("a" * 5000, "a photo of the face of a nun"))
    assert "a photo of the face of a nun" in list_texts(
        prompts.ensure_prompts(tmp_path, replace(GPT_SETTINGS, prompt_style=style), 0)
    )
    assert max(map(len, list_texts(prompt_file.read_prompts(tmp_path)))) < 1000


def test_a_line_without_end_is_named_by_its_number(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("a nun\n\n" + "a" * 1001 + "\n" + "b" * 1000)
    settings = PromptSettings(prompts=f"file:{path}", prompt_count=2)
    assert f"Line 3 of {path} has 1001 characters; shorten it to 1000" in str(
        catch_refusal(tmp_path, settings)
    )
    path.write_text("a nun\n" + "b" * 1000)
    assert len(prompts.ensure_prompts(tmp_path, settings, 0)) == 2


# A prompt is text and nothing else


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_prompt_becomes_a_path_a_line_or_a_format(tmp_path, service, model, count):
    """A prompt is one line of text whatever the service writes; seeds name the files."""
    hostile = [
        "{number} ../../x",
        "{0.__class__.__init__.__globals__}",
        "%s%n",
        "$(touch x)",
        "\u202e\u2028\x1b[2J",
        "=1+1",
    ]
    written = st.one_of(
        st.text(min_size=1, max_size=80),
        st.sampled_from(hostile),
        st.from_regex(r"(\.\./|/|~|C:\\){1,9}x"),
    )
    folders = iter(range(10**6))

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(written)
    def harmless(text):
        folder = tmp_path / str(next(folders))
        service.script[:] = [make_faces_reply(f"{text} a nun")]
        request = make_request(folder, model, 2)
        request = replace(
            request,
            settings=replace(request.settings, prompt_settings=PromptSettings(prompt_count=1)),
        )
        faces = STABLE_DIFFUSION.list_candidates(request)
        assert [face.file for face in faces] == ["00000007.png", "00000008.png"]
        assert len({face.prompt for face in faces}) == 1 and faces[0].prompt.isprintable()
        (line,) = prompt_file.prompts_path(request.settings.folder).read_text().splitlines()
        assert [
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        ] == ["faces/prompts.jsonl"]

    harmless()


# No key, no network


def test_without_a_key_a_command_ends_before_the_model_is_looked_into(tmp_path, model):
    (tmp_path / "photos").mkdir()
    words = ["--real", "folder:photos", "--generated", "stable-diffusion:5", "--model", model]
    program = (
        "import sys, atexit, runpy\n"
        "atexit.register(lambda: print(*sys.modules, file=open('modules', 'w')))\n"
        "runpy.run_module('data_collection', run_name='__main__')\n"
    )
    (tmp_path / "watched.py").write_text(program)
    done = run_command("watched", *words, cwd=tmp_path, OPENAI_API_KEY="", PYTHONSAFEPATH="")
    assert done.returncode == console.EXIT_USAGE, done.stderr
    assert (
        "Missing: OPENAI_API_KEY. Nothing was started" in done.stderr
        and "--prompts template" in done.stdout
    )
    assert not {"diffusers", "transformers", "accelerate", "openai"} & set(
        (tmp_path / "modules").read_text().split()
    )
    assert not (tmp_path / "data" / "faces" / "manifest.jsonl").exists()


@pytest.mark.slow
def test_an_offline_hub_without_the_model_is_told_with_a_way_out(tmp_path):
    (tmp_path / "photos").mkdir()
    words = [
        "--real",
        "folder:photos",
        "--generated",
        "stable-diffusion:5@some/model",
        "--prompts",
        "template",
    ]
    done = run_command(
        "data_collection", *words, cwd=tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub")
    )
    assert done.returncode == console.EXIT_USAGE, done.stderr
    assert (
        "Missing: the model some/model. Nothing was started" in done.stderr
        and "Traceback" not in done.stderr
    )
    table = " ".join(done.stdout.split())
    assert "HF_HUB_OFFLINE" in table and "--generated folder:PATH, or --model" in table


# Model files that are damaged or made to hurt


class Hostile:
    """A class that creates a file when it is unpickled."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


@pytest.mark.parametrize("part", ["unet", "text_encoder", "vae"])
def test_a_pickle_that_runs_code_is_refused_and_runs_none(tmp_path, model, part):
    import torch

    broken, canary = shutil.copytree(model, tmp_path / "broken"), tmp_path / "canary"
    (broken / part / f"{WEIGHT_STEMS[part]}.safetensors").unlink()
    torch.save({"x": Hostile(canary)}, broken / part / OLD_WEIGHT_NAMES[WEIGHT_STEMS[part]])
    _catch_damaged_model(tmp_path, broken)
    assert not canary.exists()


def test_damage_to_any_part_of_a_model_is_a_sentence(tmp_path, model):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    parts = ["unet", "vae", "text_encoder"]
    for number in range(10):
        broken = shutil.copytree(model, tmp_path / str(number))
        path = broken / parts[number % 3] / f"{WEIGHT_STEMS[parts[number % 3]]}.safetensors"
        data = bytearray(path.read_bytes())
        if number % 2:
            del data[generator.randrange(len(data)) :]
        else:
            data[generator.randrange(8)] ^= generator.randrange(1, 256)
        path.write_bytes(data)
        _catch_damaged_model(tmp_path / f"of {number}", broken)


def _catch_damaged_model(folder: Path, model: Path) -> None:
    pipeline_cache.PIPELINE_CACHE.clear()
    with pytest.raises(
        console.PlainError, match="Cannot load .* A file is damaged or of another kind"
    ) as caught:
        generate_faces(make_request(folder, model, 1))
    assert caught.value.exit_code == console.EXIT_BAD_MODEL and "\n" not in str(caught.value)


# Images with NaN


def test_a_model_that_gives_no_numbers_gives_a_single_colour(tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    broken = save_pipeline(tmp_path / "model")
    path = broken / "unet" / f"{WEIGHT_STEMS['unet']}.safetensors"
    weights = load_file(path)
    weights["conv_out.bias"] = torch.full_like(weights["conv_out.bias"], torch.nan)
    save_file(weights, path, {"format": "pt"})
    images = [
        decode.decode_face(data) for _, data in generate_faces(make_request(tmp_path, broken, 2))
    ]
    assert len(images) == 2 and all(map(quality.is_single_colour, images))
