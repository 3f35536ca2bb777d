"""Only missing prompts are written, by the requested writer; requirements are listed first."""

import subprocess
import sys
from dataclasses import replace

import pytest

from data_collection.prompts import prompts
from data_collection.settings import PromptSettings
from runtime import console
from toys.commands import build_environment
from toys.openai_server import API_KEY
from toys.prompt_settings import GPT_SETTINGS, TEMPLATE_SETTINGS, catch_refusal


@pytest.mark.parametrize(
    ("writer", "hint"),
    [
        ("tmplate", "template"),
        ("gtp", "gpt"),
        ("file", "file:PATH"),
        ("gpt:x", "gpt"),
        ("xyz", None),
    ],
)
def test_a_misspelt_writer_gets_a_suggestion(tmp_path, writer, hint):
    sentence = str(catch_refusal(tmp_path, PromptSettings(prompts=writer)))
    assert (f"Did you mean {hint}?" in sentence) if hint else ("Did you mean" not in sentence)
    with pytest.raises(console.PlainError, match="Unknown writer"):
        prompts.list_prompt_requirements(PromptSettings(prompts=writer), tmp_path)


def test_a_file_without_its_kind_gets_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a face")
    assert "Did you mean file:mine.txt?" in str(
        catch_refusal(tmp_path, PromptSettings(prompts="mine.txt"))
    )


def test_no_prompts_at_all_is_a_sentence():
    with pytest.raises(ValueError, match="--prompt-count is 0; give 1 or more"):
        replace(TEMPLATE_SETTINGS, prompt_count=0)


def test_prompts_that_are_there_are_used_and_named_when_another_writer_was_asked_for(
    tmp_path, capsys
):
    first = prompts.ensure_prompts(tmp_path, TEMPLATE_SETTINGS, 0)
    (tmp_path / "mine.txt").write_text("a face")
    other = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}", prompt_count=20)
    assert prompts.ensure_prompts(tmp_path, other, 0) == first[:20]
    assert "already holds 50 prompts by template" in capsys.readouterr().err


def test_requirements_name_the_key_only_while_prompts_are_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (requirement,) = prompts.list_prompt_requirements(GPT_SETTINGS, tmp_path)
    assert (requirement.name, requirement.met, requirement.alternative) == (
        "OPENAI_API_KEY",
        False,
        "--prompts template",
    )
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    assert [
        (requirement.met, requirement.status)
        for requirement in prompts.list_prompt_requirements(GPT_SETTINGS, tmp_path)
    ] == [(True, "set")]
    assert prompts.list_prompt_requirements(TEMPLATE_SETTINGS, tmp_path) == []
    prompts.ensure_prompts(tmp_path, TEMPLATE_SETTINGS, 0)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert prompts.list_prompt_requirements(GPT_SETTINGS, tmp_path) == []
    assert prompts.list_prompt_requirements(replace(GPT_SETTINGS, prompt_count=51), tmp_path) != []


def test_requirements_name_a_file_that_is_missing_or_too_short(tmp_path):
    settings = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}", prompt_count=2)
    assert not prompts.list_prompt_requirements(settings, tmp_path)[0].met
    (tmp_path / "mine.txt").write_text("a face")
    assert "give --prompt-count 1" in prompts.list_prompt_requirements(settings, tmp_path)[0].status
    (tmp_path / "mine.txt").write_text("a face\nanother face")
    assert prompts.list_prompt_requirements(settings, tmp_path)[0].met


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path):
    code = (
        "import sys; from data_collection.prompts import prompts; "
        "from data_collection.sources import openai_images; "
        "print(*{'openai', 'pydantic', 'httpx2'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=build_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (run.stdout.strip(), run.stderr) == ("", "")
