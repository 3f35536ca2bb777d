"""Prompts by GPT and from a file are topped up, cut, checked and rejected."""

import json
from dataclasses import replace

import pytest

from data_collection.prompts import prompt_file, prompts
from data_collection.prompts.templates import PROMPT_ATTRIBUTES
from data_collection.settings import PromptSettings
from runtime import console
from toys.openai_server import (
    FACE_ATTRIBUTES,
    ScriptedReply,
    make_chat_reply,
    make_error_reply,
    make_faces_reply,
)
from toys.prompt_settings import GPT_SETTINGS, catch_refusal, list_texts


def test_a_file_gives_its_lines_without_repeats(tmp_path):
    (tmp_path / "mine.txt").write_text(
        "\ufeffAn old man\n\n  a  young woman \nan old man.\nA nun", encoding="utf-8"
    )
    settings = PromptSettings(prompts=f"file:{tmp_path / 'mine.txt'}", prompt_count=3)
    assert list_texts(prompts.ensure_prompts(tmp_path, settings, 0)) == [
        "An old man",
        "a young woman",
        "A nun",
    ]
    assert {prompt.writer for prompt in prompt_file.read_prompts(tmp_path)} == {"file"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "Cannot read"),
        (b"\xff\xfe\x00a", "not text in UTF-8"),
        (b"one\ntwo\n\nONE", "holds 2 new prompts"),
        (b"", "holds 0"),
    ],
)
def test_a_file_that_cannot_serve_is_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "mine.txt"
    if content is not None:
        path.write_bytes(content)
    assert sentence in str(
        catch_refusal(tmp_path, PromptSettings(prompts=f"file:{path}", prompt_count=3))
    )
    assert prompt_file.read_prompts(tmp_path) == []


def test_prompts_are_asked_for_in_batches_and_name_what_there_is(tmp_path, service):
    written = prompts.ensure_prompts(tmp_path, replace(GPT_SETTINGS, prompt_count=25), 0)
    assert [prompt.number for prompt in written] == list(range(25)) and len(
        set(list_texts(written))
    ) == 25
    assert written == prompt_file.read_prompts(tmp_path)
    assert (written[3].writer, written[3].model) == ("gpt", "gpt-6-luna-2026-10-01")
    assert set(written[3].attributes) == set(PROMPT_ATTRIBUTES)
    bodies = [received.body for received in service.received]
    requests = [body["messages"][-1]["content"] for body in bodies]
    assert [request.split()[:3] for request in requests] == [["Write", "10", "prompts"]] * 2 + [
        ["Write", "5", "prompts"]
    ]
    assert "of number 9" not in requests[0] and "of number 9" in requests[1]
    assert (
        bodies[0]["model"] == "gpt-6-luna" and bodies[0]["response_format"]["json_schema"]["strict"]
    )


def test_the_style_is_asked_for(tmp_path, service):
    prompts.ensure_prompts(tmp_path / "short", GPT_SETTINGS, 0)
    prompts.ensure_prompts(tmp_path / "long", replace(GPT_SETTINGS, prompt_style="long"), 0)
    short, long = (received.body["messages"][-1]["content"] for received in service.received)
    assert "at most 20 words" in short and "30 to 60 words" in long


def test_a_short_list_is_topped_up(tmp_path, service):
    service.script += [service.prompts(4), service.prompts(5)]
    assert len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)) == 10
    assert len(service.received) == 3


def test_a_long_list_is_cut(tmp_path, service):
    service.script += [service.prompts(14)]
    assert (
        len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0))
        == 10
        == len(prompt_file.read_prompts(tmp_path))
    )


def test_repeats_are_dropped_case_spaces_and_punctuation_aside(tmp_path, service):
    service.script += [
        make_faces_reply("A face, old", "a  FACE old!", "...", "a face (old)", "a young face")
    ]
    assert list_texts(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0))[:3] == [
        "A face, old",
        "a young face",
        "a photo of the face of number 0",
    ]


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
    service.script += [make_faces_reply(text, **attributes)]
    assert text not in list_texts(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0))


def test_control_characters_are_dropped(tmp_path, service):
    service.script += [make_faces_reply("a face\n\x1b[31m of\x00 {number} ../../x")]
    assert (
        prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)[0].text
        == "a face [31m of {number} ../../x"
    )


def test_an_interrupted_run_asks_only_for_what_is_missing(tmp_path, service):
    settings = replace(GPT_SETTINGS, prompt_count=50)
    service.script += [
        *(service.prompts(10) for _ in range(3)),
        make_error_reply(401, "invalid_api_key"),
    ]
    catch_refusal(tmp_path, settings)
    saved = prompt_file.read_prompts(tmp_path)
    service.received.clear()
    written = prompts.ensure_prompts(tmp_path, settings, 0)
    assert len(saved) == 30 and written[:30] == saved and len(written) == 50
    assert len(service.received) == 2
    service.received.clear()
    assert prompts.ensure_prompts(tmp_path, settings, 0) == written and service.received == []


def test_a_model_that_brings_nothing_new_is_given_up_and_what_it_wrote_is_kept(tmp_path, service):
    service.script += [
        service.prompts(4),
        *[make_faces_reply("a photo of the face of number 1")] * 9,
    ]
    error = catch_refusal(tmp_path)
    assert "wrote 4 of 10 prompts, then 3 answers brought nothing new" in str(error)
    assert len(prompt_file.read_prompts(tmp_path)) == 4 and len(service.received) == 4


UNUSABLE = {
    "refusal": (make_chat_reply(None, refusal="I can't help with that."), "refused: I can't help"),
    "no choices": (make_chat_reply("", choices=0), "not what the API documents"),
    "no content": (make_chat_reply(None), "its answer was empty; turn its thinking off"),
    "cut content": (
        make_chat_reply('{"faces": [{"prompt": "a pho'),
        'in text, not in the JSON asked for: \'{"faces": [{"prompt": "a pho\'',
    ),
    "too few attributes": (
        make_chat_reply('{"faces": [{"prompt": "a photo"}]}'),
        'in JSON without the fields asked for: \'{"faces"',
    ),
    "thoughts alone": (
        make_chat_reply("<think>\nThe user wants\x1b[31m ten faces, so " + "well " * 99),
        "in text, not in the JSON asked for: '<think> The user wants [31m ten faces",
    ),
    "token limit": (make_chat_reply('{"faces": [', finish="length"), "cut at the model's limit"),
    "filtered": (make_chat_reply(None, finish="content_filter"), "moderation"),
    "cut JSON": (ScriptedReply('{"id": "c", "choi'), "not what the API documents"),
    "a number": (ScriptedReply("7"), "not what the API documents"),
    "a page": (
        ScriptedReply("<html>Welcome</html>", headers={"content-type": "text/html"}),
        "OPENAI_BASE_URL right?",
    ),
    "moderation": (make_error_reply(400, "content_policy_violation", "not allowed"), "not allowed"),
}


@pytest.mark.parametrize("name", ["refusal", "cut JSON"])
def test_an_unusable_answer_is_asked_for_again(tmp_path, service, name):
    reply, _ = UNUSABLE[name]
    service.script += [reply, reply]
    assert len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)) == 10
    assert len(service.received) == 3


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_answers_end_in_a_sentence(tmp_path, service, name):
    reply, sentence = UNUSABLE[name]
    service.script += [reply] * 3
    error = catch_refusal(tmp_path)
    assert (
        sentence in str(error)
        and "--prompts template" in str(error)
        and error.exit_code == console.EXIT_REMOTE
    )
    assert len(service.received) == 3


FACES = [{"prompt": f"a face of number {number}", **FACE_ATTRIBUTES} for number in range(10)]
GOOD = json.dumps({"faces": FACES})
THOUGHTS = '<think>\nTen faces [or more]? {"faces": []} A draft: ' + GOOD.replace("face of", "no")

MANNERS = {
    "plain": GOOD,
    "thoughts": f"{THOUGHTS}\n</think>\n\n{GOOD}",
    "a fence": f"Here you are:\n```json\n{GOOD}\n```\nAnything else?",
    "thoughts and a fence": f"<THINK>hm</THINK>```json\n{GOOD}\n```",
    "a bare list": json.dumps(FACES),
    "one object a line": "\n".join(map(json.dumps, FACES)),
    "numbers for words": GOOD.replace('"34"', "34"),
    "thoughts that never end": f"<think>I answer {GOOD}",
}


@pytest.mark.parametrize("manner", MANNERS)
def test_prompts_are_taken_wherever_the_answer_holds_them(tmp_path, service, manner):
    service.script += [make_chat_reply(MANNERS[manner])]
    written = prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)
    assert list_texts(written) == [face["prompt"] for face in FACES]
    assert written[0].attributes == FACE_ATTRIBUTES
    assert len(service.received) == 1


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_prompts_in_the_field_of_the_reasoning_are_taken(tmp_path, service, field):
    reply = make_chat_reply("")
    reply.body["choices"][0]["message"][field] = GOOD
    service.script += [reply]
    assert len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)) == 10
    assert len(service.received) == 1


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "<think>" * 50_000])
def test_an_answer_without_end_is_searched_for_a_moment_only(tmp_path, service, text):
    service.script += [make_chat_reply(text)] * 3
    assert "answered in" in str(catch_refusal(tmp_path))
