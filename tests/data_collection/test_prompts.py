import json
import os
import socket
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import replace

import pytest

from data_collection import console, openai_service, prompts
from data_collection.settings import PromptSettings
from toy_openai import JSON, Reply, chat, faces, fault, serving
from toys import environment_of

KEY = "sk-canary-7f3a9c51d2"
TEMPLATE = PromptSettings(prompts="template")
GPT = PromptSettings(prompt_count=10)


@pytest.fixture
def service(monkeypatch):
    with serving() as service:
        monkeypatch.setenv("OPENAI_BASE_URL", service.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield service


def texts(written) -> list[str]:
    return [prompt.text for prompt in written]


def refused(folder, settings=GPT) -> console.PlainError:
    with pytest.raises(console.PlainError) as caught:
        prompts.write(folder, settings, 0)
    return caught.value


# ---------------------------------------------------------------- template


def test_templates_are_all_different_and_their_end_is_a_sentence(tmp_path):
    assert "6,930 different prompts" in str(refused(tmp_path, replace(TEMPLATE, prompt_count=6931)))
    written = prompts.read(tmp_path)
    assert len({prompts._same(prompt) for prompt in written}) == 6930 == len(written)
    assert "none" not in " ".join(texts(written))


@pytest.mark.parametrize("style", ["short", "long"])
def test_templates_fit_what_clip_reads(tmp_path, style):
    written = prompts.write(tmp_path, replace(TEMPLATE, prompt_count=400, prompt_style=style), 5)
    assert max(len(prompt.text.split()) for prompt in written) <= prompts.MOST_WORDS[style]


@pytest.mark.parametrize("count", [7, 50, 333])
@pytest.mark.parametrize("seed", [0, 1])
def test_templates_use_every_value_equally_often(tmp_path, count, seed):
    written = prompts.write(tmp_path, replace(TEMPLATE, prompt_count=count), seed)
    for name, values in prompts.ATTRIBUTES.items():
        often = Counter(prompt.attributes[name] for prompt in written)
        assert {often[value] - count // len(values) for value in values} <= {0, 1}, name


def test_templates_follow_the_seed_and_are_of_adults(tmp_path):
    first, again, other = (prompts.write(tmp_path / str(n), TEMPLATE, seed) for n, seed in enumerate((0, 0, 1)))
    assert texts(first) == texts(again) != texts(other)
    assert all(int(prompt.attributes["age"]) >= 18 for prompt in first)
    assert first[0].attributes["age"] in first[0].text


def test_templates_that_are_added_keep_the_balance(tmp_path):
    prompts.write(tmp_path / "parts", replace(TEMPLATE, prompt_count=17), 0)
    parts = prompts.write(tmp_path / "parts", TEMPLATE, 0)
    assert parts == prompts.write(tmp_path / "whole", TEMPLATE, 0)


# ---------------------------------------------------------------- file


def test_a_file_gives_its_lines_without_repeats(tmp_path):
    (tmp_path / "mine.txt").write_text("\ufeffAn old man\n\n  a  young woman \nan old man.\nA nun", encoding="utf-8")
    settings = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}", prompt_count=3)
    assert texts(prompts.write(tmp_path, settings, 0)) == ["An old man", "a young woman", "A nun"]
    assert {prompt.writer for prompt in prompts.read(tmp_path)} == {"file"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "Cannot read"), (b"\xff\xfe\x00a", "not text in UTF-8"), (b"one\ntwo\n\nONE", "holds 2 prompts"), (b"", "holds 0")],
)
def test_a_file_that_cannot_serve_is_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    assert sentence in str(refused(tmp_path, PromptSettings(prompts=f"file:{path}", prompt_count=3)))
    assert prompts.read(tmp_path) == []


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize(
    ("asked", "hint"), [("tmplate", "template"), ("gtp", "gpt"), ("file", "file:PATH"), ("gpt:x", "gpt"), ("xyz", None)]
)
def test_a_misspelt_writer_gets_a_suggestion(tmp_path, asked, hint):
    sentence = str(refused(tmp_path, PromptSettings(prompts=asked)))
    assert (f"did you mean {hint}?" in sentence) if hint else ("did you mean" not in sentence)
    assert not prompts.needs(PromptSettings(prompts=asked), tmp_path)[0].there


def test_a_file_without_its_kind_gets_a_suggestion(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("a face")
    assert "did you mean file:mine.txt?" in str(refused(tmp_path, PromptSettings(prompts="mine.txt")))


def test_no_prompts_at_all_is_a_sentence():
    with pytest.raises(ValueError, match="--prompt-count is 0; ask for 1 or more"):
        replace(TEMPLATE, prompt_count=0)


def test_a_torn_last_line_is_passed_over_and_written_anew(tmp_path):
    whole = prompts.write(tmp_path, TEMPLATE, 0)
    path = prompts.prompts_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert prompts.read(tmp_path) == whole[:-1]
    assert prompts.write(tmp_path, TEMPLATE, 0) == whole == prompts.read(tmp_path)


@pytest.mark.parametrize("line", [b"\x00\x01", b'{"text": 1}', b'{"number": 7, "text": "a face"}', b"[]"])
def test_a_damaged_line_is_named(tmp_path, line):
    prompts.write(tmp_path, TEMPLATE, 0)
    path = prompts.prompts_path(tmp_path)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:3], line, *lines[4:]]))
    error = refused(tmp_path, TEMPLATE)
    assert "Line 4 of" in str(error) and error.exit_code == console.DISK
    assert not prompts.needs(TEMPLATE, tmp_path)[0].there


def test_prompts_that_are_there_are_used_and_named_when_another_writer_was_asked_for(tmp_path, capsys):
    first = prompts.write(tmp_path, TEMPLATE, 0)
    (tmp_path / "mine.txt").write_text("a face")
    other = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}", prompt_count=20)
    assert prompts.write(tmp_path, other, 0) == first[:20]
    assert "holds 50 prompts by template already" in capsys.readouterr().err


def test_needs_name_the_key_only_while_prompts_are_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (need,) = prompts.needs(GPT, tmp_path)
    assert (need.what, need.there, need.instead) == ("OPENAI_API_KEY", False, "--prompts template")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert [(need.there, need.found) for need in prompts.needs(GPT, tmp_path)] == [(True, "set")]
    assert prompts.needs(TEMPLATE, tmp_path) == []
    prompts.write(tmp_path, TEMPLATE, 0)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert prompts.needs(GPT, tmp_path) == []
    assert prompts.needs(replace(GPT, prompt_count=51), tmp_path) != []


def test_needs_name_a_file_that_is_missing(tmp_path):
    settings = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}")
    assert not prompts.needs(settings, tmp_path)[0].there
    (tmp_path / "mine.txt").write_text("a face")
    assert prompts.needs(settings, tmp_path)[0].there


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path):
    code = (
        "import sys; from data_collection import prompts, openai_images; "
        "print(*{'openai', 'pydantic', 'httpx2'} & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment_of(), cwd=tmp_path, capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("", "")


# ---------------------------------------------------------------- gpt


def test_prompts_are_asked_for_in_batches_and_name_what_there_is(tmp_path, service):
    written = prompts.write(tmp_path, replace(GPT, prompt_count=25), 0)
    assert [prompt.number for prompt in written] == list(range(25)) and len(set(texts(written))) == 25
    assert written == prompts.read(tmp_path)
    assert (written[3].writer, written[3].model) == ("gpt", "gpt-6-luna-2026-10-01")
    assert set(written[3].attributes) == set(prompts.ATTRIBUTES)
    bodies = [received.body for received in service.received]
    wishes = [body["messages"][-1]["content"] for body in bodies]
    assert [wish.split()[:3] for wish in wishes] == [["Write", "10", "prompts"]] * 2 + [["Write", "5", "prompts"]]
    assert "of number 9" not in wishes[0] and "of number 9" in wishes[1]
    assert bodies[0]["model"] == "gpt-6-luna" and bodies[0]["response_format"]["json_schema"]["strict"]


def test_the_style_is_asked_for(tmp_path, service):
    prompts.write(tmp_path / "short", GPT, 0)
    prompts.write(tmp_path / "long", replace(GPT, prompt_style="long"), 0)
    short, long = (received.body["messages"][-1]["content"] for received in service.received)
    assert "at most 20 words" in short and "30 to 60 words" in long


def test_a_short_list_is_topped_up(tmp_path, service):
    service.script += [service.prompts(4), service.prompts(5)]
    assert len(prompts.write(tmp_path, GPT, 0)) == 10
    assert len(service.received) == 3


def test_a_long_list_is_cut(tmp_path, service):
    service.script += [service.prompts(14)]
    assert len(prompts.write(tmp_path, GPT, 0)) == 10 == len(prompts.read(tmp_path))


def test_repeats_are_dropped_case_spaces_and_punctuation_aside(tmp_path, service):
    service.script += [faces("A face, old", "a  FACE old!", "...", "a face (old)", "a young face")]
    assert texts(prompts.write(tmp_path, GPT, 0))[:3] == ["A face, old", "a young face", "a photo of the face of number 0"]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("a photo of a teenager", {}),
        ("a photo of a face", {"age": "16"}),
        ("a photo of a 12-year-old", {}),
        ("a woman aged 17", {}),
        ("a photo of a face", {"gender": "girl"}),
        (" ".join(["word"] * 31), {}),
    ],
)
def test_minors_and_overlong_prompts_are_dropped(tmp_path, service, text, attributes):
    service.script += [faces(text, **attributes)]
    assert text not in texts(prompts.write(tmp_path, GPT, 0))


def test_control_characters_are_dropped(tmp_path, service):
    service.script += [faces("a face\n\x1b[31m of\x00 {number} ../../x")]
    assert prompts.write(tmp_path, GPT, 0)[0].text == "a face [31m of {number} ../../x"


def test_an_interrupted_run_asks_only_for_what_is_missing(tmp_path, service):
    wanted = replace(GPT, prompt_count=50)
    service.script += [*(service.prompts(10) for _ in range(3)), fault(401, "invalid_api_key")]
    refused(tmp_path, wanted)
    kept = prompts.read(tmp_path)
    service.received.clear()
    written = prompts.write(tmp_path, wanted, 0)
    assert len(kept) == 30 and written[:30] == kept and len(written) == 50
    assert len(service.received) == 2
    service.received.clear()
    assert prompts.write(tmp_path, wanted, 0) == written and service.received == []


def test_a_model_that_brings_nothing_new_is_given_up_and_what_it_wrote_is_kept(tmp_path, service):
    service.script += [service.prompts(4), *[faces("a photo of the face of number 1")] * 9]
    error = refused(tmp_path)
    assert "wrote 4 of 10 prompts, then 3 answers brought nothing new" in str(error)
    assert len(prompts.read(tmp_path)) == 4 and len(service.received) == 4


UNUSABLE = {
    "refusal": (chat(None, refusal="I can't help with that."), "refused: I can't help"),
    "no choices": (chat("", choices=0), "not what the API documents"),
    "no content": (chat(None), "not what the API documents"),
    "cut content": (chat('{"faces": [{"prompt": "a pho'), "not what the API documents"),
    "too few attributes": (chat('{"faces": [{"prompt": "a photo"}]}'), "not what the API documents"),
    "token limit": (chat('{"faces": [', finish="length"), "cut at the model's limit"),
    "filtered": (chat(None, finish="content_filter"), "moderation"),
    "cut JSON": (Reply('{"id": "c", "choi'), "not what the API documents"),
    "a number": (Reply("7"), "not what the API documents"),
    "a page": (Reply("<html>Welcome</html>", headers={"content-type": "text/html"}), "OPENAI_BASE_URL right?"),
    "moderation": (fault(400, "content_policy_violation", "not allowed"), "not allowed"),
}


@pytest.mark.parametrize("name", ["refusal", "cut JSON"])
def test_an_unusable_answer_is_asked_for_again(tmp_path, service, name):
    reply, _ = UNUSABLE[name]
    service.script += [reply, reply]
    assert len(prompts.write(tmp_path, GPT, 0)) == 10
    assert len(service.received) == 3


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_answers_end_in_a_sentence(tmp_path, service, name):
    reply, sentence = UNUSABLE[name]
    service.script += [reply] * 3
    error = refused(tmp_path)
    assert sentence in str(error) and "--prompts template" in str(error) and error.exit_code == console.REMOTE
    assert len(service.received) == 3


FATAL = {
    "wrong key": (fault(401, "invalid_api_key", f"Incorrect API key: {KEY}"), 1, "refuses the key in OPENAI_API_KEY"),
    "no credit": (fault(429, "insufficient_quota", retry_after="1"), 1, "no credit left (insufficient_quota)"),
    "unknown model": (fault(404, "model_not_found"), 1, "does not know the model gpt-6-luna; name another with --prompt-model"),
    "no such page": (Reply("<html>nothing here</html>", 404, {"content-type": "text/html"}), 1, "OPENAI_BASE_URL"),
    "forbidden": (fault(403, None, "not in your country."), 1, "not in your country. Name another"),
    "bad request": (fault(400, "x", f"no\nsuch {KEY} field."), 1, "refuses the request (400): no such (key) field. Check"),
    "long wait": (fault(429, None, retry_after="300"), 1, "asks to wait 300 seconds"),
    "rate limit": (fault(429, None, retry_after_ms="10"), 4, "too many requests"),
    "out of order": (fault(503, None, retry_after_ms="10"), 4, "is out of order (503, 4 tries)"),
    "a string error": (Reply({"error": "no"}, 422), 1, "refuses the request (422)"),
    "a list": (Reply("[1]", 400), 1, "refuses the request (400)"),
}


@pytest.mark.parametrize("name", FATAL)
def test_a_fault_of_the_service_is_a_sentence_and_what_was_written_is_kept(tmp_path, service, name):
    reply, requests, sentence = FATAL[name]
    service.script += [service.prompts(4), *[reply] * 9]
    error = refused(tmp_path)
    assert sentence in str(error) and error.exit_code == console.REMOTE
    assert len(service.received) == 1 + requests and len(prompts.read(tmp_path)) == 4


def test_a_rate_limit_is_waited_for_and_said(tmp_path, service, capsys):
    service.script += [fault(429, None, retry_after="1"), service.prompts(10)]
    assert len(prompts.write(tmp_path, GPT, 0)) == 10
    first, second = (received.at for received in service.received)
    assert 1 <= second - first < 3
    assert "asks to wait 1 seconds" in capsys.readouterr().err


def test_a_rate_limit_that_names_no_time_is_waited_for_too(tmp_path, service, monkeypatch):
    monkeypatch.setattr(openai_service, "PAUSE", 0.9)
    service.script += [fault(429), service.prompts(10)]
    assert len(prompts.write(tmp_path, GPT, 0)) == 10
    first, second = (received.at for received in service.received)
    assert 0.9 <= second - first < 3


def test_bursts_of_server_errors_pass(tmp_path, service):
    burst = [fault(status, None, retry_after_ms="10") for status in (500, 502, 503)]
    service.script += [*burst, service.prompts(10), *burst, service.prompts(10)]
    assert len(prompts.write(tmp_path, replace(GPT, prompt_count=20), 0)) == 20


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply({}, delay=0.6), "gave no answer within 0.2 seconds (2 tries)"),
        (Reply("{}", headers=JSON, cut=True), "cannot be reached"),
    ],
)
def test_a_hanging_or_torn_line_is_a_sentence(tmp_path, service, monkeypatch, reply, sentence):
    monkeypatch.setattr(openai_service, "TIMEOUT", 0.2)
    monkeypatch.setattr(openai_service, "RETRIES", 1)
    service.script += [reply] * 2
    assert sentence in str(refused(tmp_path))
    assert len(service.received) == 2


def test_a_server_that_is_not_there_is_a_sentence(tmp_path, service, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        monkeypatch.setattr(openai_service, "RETRIES", 0)
        assert "cannot be reached" in str(refused(tmp_path))


@pytest.mark.parametrize("address", ["localhost:8000", "http://[x", "http://", "ftp://a/v1", "http://a:99999/v1"])
def test_an_address_that_is_none_is_a_sentence(tmp_path, service, monkeypatch, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    assert "OPENAI_BASE_URL is no address" in str(refused(tmp_path))


@pytest.mark.parametrize("key", ["", "  ", "sk-canary\u2013x", "sk-canary x", "sk-canary\nx"])
def test_no_key_or_one_that_cannot_be_one_is_a_sentence(tmp_path, service, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    error = refused(tmp_path)
    assert str(error).startswith("OPENAI_API_KEY is") and "--prompts template" in str(error) and "canary" not in str(error)
    assert not prompts.needs(GPT, tmp_path)[0].there and service.received == []


def test_a_key_with_a_line_break_at_its_end_is_used_without_it(tmp_path, service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\n")
    prompts.write(tmp_path, GPT, 0)
    assert service.received[0].headers["authorization"] == f"Bearer {KEY}"


ECHOES = {
    "a prompt": [faces(f"a face like {KEY}", age=f"30 {KEY}")],
    "a refusal": [chat(None, refusal=f"I will not, {KEY}")] * 3,
    "the model": [Reply({**chat(faces("a face").body["choices"][0]["message"]["content"]).body, "model": KEY})],
    **{
        f"status {status}": [fault(status, None, f"you sent Bearer {KEY} and sk-can****9c51d2", retry_after_ms="10")] * 9
        for status in (400, 401, 403, 429, 500)
    },
    "a code": [fault(400, KEY, KEY)],
    "quota": [fault(429, "insufficient_quota", KEY)],
    "moderation": [fault(400, "moderation_blocked", KEY)] * 3,
    "a page": [Reply(f"<html>{KEY}</html>", headers={"content-type": "text/html"})] * 3,
    "cut JSON": [Reply(f'{{"id": "{KEY}", "cho')] * 3,
    "cut content": [chat(f'{{"faces": "{KEY}')] * 3,
    "a torn line": [Reply(f'{{"id": "{KEY}', cut=True)] * 9,
}


@pytest.mark.parametrize("name", ECHOES)
def test_the_key_is_in_no_output_no_file_and_no_exception(tmp_path, service, monkeypatch, capfd, caplog, name):
    monkeypatch.setattr(openai_service, "RETRIES", 1)
    caplog.set_level("INFO")
    service.script += ECHOES[name]
    said = ""
    try:
        prompts.write(tmp_path, GPT, 0)
    except console.PlainError as error:
        assert error.__cause__ is None and error.__context__ is None
        said = "".join(traceback.format_exception(error)) + repr(vars(error))
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    output = capfd.readouterr()
    everything = said + files + output.out + output.err + caplog.text
    assert service.received[0].headers["authorization"] == f"Bearer {KEY}"
    assert "canary" not in everything and "9c51d2" not in everything


def test_saved_prompts_are_lines_of_json(tmp_path, service):
    prompts.write(tmp_path, GPT, 0)
    rows = [json.loads(line) for line in prompts.prompts_path(tmp_path).read_text().splitlines()]
    assert list(rows[0]) == ["number", "text", "attributes", "writer", "model"] and len(rows) == 10
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
