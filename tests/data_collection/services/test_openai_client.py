"""Every fault of the service, connection or key becomes a sentence; no key is ever shown."""

import base64
import socket
import time
import traceback
from dataclasses import replace

import pytest

from data_collection.prompts import prompt_file, prompts
from data_collection.services import openai_client
from runtime import console
from toys.openai_server import (
    API_KEY,
    JSON_HEADERS,
    ScriptedReply,
    make_chat_reply,
    make_error_reply,
    make_faces_reply,
)
from toys.prompt_settings import GPT_SETTINGS, catch_refusal

FATAL = {
    "wrong key": (
        make_error_reply(401, "invalid_api_key", f"Incorrect API key: {API_KEY}"),
        1,
        "rejects the key in OPENAI_API_KEY",
    ),
    "no credit": (
        make_error_reply(429, "insufficient_quota", retry_after="1"),
        1,
        "no credit left (insufficient_quota)",
    ),
    "unknown model": (
        make_error_reply(404, "model_not_found"),
        1,
        "does not know the model gpt-6-luna; name another with --prompt-model",
    ),
    "no such page": (
        ScriptedReply("<html>nothing here</html>", 404, {"content-type": "text/html"}),
        1,
        "OPENAI_BASE_URL",
    ),
    "forbidden": (
        make_error_reply(403, None, "not in your country."),
        1,
        "not in your country. Name another",
    ),
    "bad request": (
        make_error_reply(400, "x", f"no\nsuch {API_KEY} field."),
        1,
        "rejects the request (400): no such (key) field. Check",
    ),
    "long wait": (make_error_reply(429, None, retry_after="300"), 1, "asks to wait 300 seconds"),
    "rate limit": (make_error_reply(429, None, retry_after_ms="10"), 4, "too many requests"),
    "out of order": (
        make_error_reply(503, None, retry_after_ms="10"),
        4,
        "is out of order (503, 4 tries)",
    ),
    "a string error": (ScriptedReply({"error": "no"}, 422), 1, "rejects the request (422)"),
    "a list": (ScriptedReply("[1]", 400), 1, "rejects the request (400)"),
}


@pytest.mark.parametrize("name", FATAL)
def test_a_fault_of_the_service_is_a_sentence_and_what_was_written_is_kept(tmp_path, service, name):
    reply, requests, sentence = FATAL[name]
    service.script += [service.prompts(4), *[reply] * 9]
    error = catch_refusal(tmp_path)
    assert sentence in str(error) and error.exit_code == console.EXIT_REMOTE
    assert len(service.received) == 1 + requests and len(prompt_file.read_prompts(tmp_path)) == 4


def test_a_rate_limit_is_waited_for_and_announced(tmp_path, service, capsys):
    service.script += [make_error_reply(429, None, retry_after="1"), service.prompts(10)]
    assert len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)) == 10
    first, second = (received.at for received in service.received)
    assert 1 <= second - first < 3
    assert "asks to wait 1 seconds" in capsys.readouterr().err


def test_a_rate_limit_that_names_no_time_is_waited_for_too(tmp_path, service, monkeypatch):
    monkeypatch.setattr(openai_client, "RATE_LIMIT_PAUSE_S", 0.9)
    service.script += [make_error_reply(429), service.prompts(10)]
    assert len(prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)) == 10
    first, second = (received.at for received in service.received)
    assert 0.9 <= second - first < 3


def test_bursts_of_server_errors_pass(tmp_path, service):
    burst = [make_error_reply(status, None, retry_after_ms="10") for status in (500, 502, 503)]
    service.script += [*burst, service.prompts(10), *burst, service.prompts(10)]
    assert len(prompts.ensure_prompts(tmp_path, replace(GPT_SETTINGS, prompt_count=20), 0)) == 20


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (ScriptedReply({}, delay=0.6), "gave no answer within 0.2 seconds (2 tries)"),
        (ScriptedReply("{}", headers=JSON_HEADERS, cut=True), "cannot be reached"),
    ],
)
def test_a_hanging_or_torn_line_is_a_sentence(tmp_path, service, monkeypatch, reply, sentence):
    monkeypatch.setattr(openai_client, "TEXT_TIMEOUT_S", 0.2)
    monkeypatch.setattr(openai_client, "MAX_RETRIES", 1)
    service.script += [reply] * 2
    assert sentence in str(catch_refusal(tmp_path))
    assert len(service.received) == 2


@pytest.mark.parametrize("drip", [range(9, 400), range(70, 400)], ids=["headers", "body"])
def test_an_answer_that_drips_is_given_up_when_its_time_is_over(
    tmp_path, service, monkeypatch, drip
):
    monkeypatch.setattr(openai_client, "TEXT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(openai_client, "MAX_RETRIES", 1)
    service.script += [ScriptedReply(" " * 900 + "{}", drip=drip)] * 2
    start = time.monotonic()
    assert "gave no answer within 0.3 seconds (2 tries)" in str(catch_refusal(tmp_path))
    assert time.monotonic() - start < 2.5 and len(service.received) == 2


def test_a_server_that_is_not_there_is_a_sentence(tmp_path, service, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free.getsockname()[1]}/v1")
        monkeypatch.setattr(openai_client, "MAX_RETRIES", 0)
        assert "cannot be reached" in str(catch_refusal(tmp_path))


@pytest.mark.parametrize(
    "address", ["localhost:8000", "http://[x", "http://", "ftp://a/v1", "http://a:99999/v1"]
)
def test_an_address_that_is_none_is_a_sentence(tmp_path, service, monkeypatch, address):
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    assert "OPENAI_BASE_URL is not a valid address" in str(catch_refusal(tmp_path))


@pytest.mark.parametrize("key", ["", "  ", "sk-canary\u2013x", "sk-canary x", "sk-canary\nx"])
def test_no_key_or_one_that_cannot_be_one_is_a_sentence(tmp_path, service, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    error = catch_refusal(tmp_path)
    assert (
        str(error).startswith("OPENAI_API_KEY is")
        and "--prompts template" in str(error)
        and "canary" not in str(error)
    )
    assert (
        not prompts.list_prompt_requirements(GPT_SETTINGS, tmp_path)[0].met
        and service.received == []
    )


def test_a_key_with_a_line_break_at_its_end_is_used_without_it(tmp_path, service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{API_KEY}\r\n")
    prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)
    assert service.received[0].headers["authorization"] == f"Bearer {API_KEY}"


ECHOES = {
    "a prompt": [make_faces_reply(f"a face like {API_KEY}", age=f"30 {API_KEY}")],
    "a refusal": [make_chat_reply(None, refusal=f"I will not, {API_KEY}")] * 3,
    "the model": [
        ScriptedReply(
            {
                **make_chat_reply(
                    make_faces_reply("a face").body["choices"][0]["message"]["content"]
                ).body,
                "model": API_KEY,
            }
        )
    ],
    **{
        f"status {status}": [
            make_error_reply(
                status, None, f"you sent Bearer {API_KEY} and sk-can****9c51d2", retry_after_ms="10"
            )
        ]
        * 9
        for status in (400, 401, 403, 429, 500)
    },
    "capitals": [make_error_reply(400, None, f"no {API_KEY.upper()}")] * 9,
    "a header": [
        make_error_reply(
            400, None, f"bad Basic {base64.b64encode(f'me:{API_KEY}'.encode()).decode()}"
        )
    ]
    * 9,
    "a code": [make_error_reply(400, API_KEY, API_KEY)],
    "quota": [make_error_reply(429, "insufficient_quota", API_KEY)],
    "moderation": [make_error_reply(400, "moderation_blocked", API_KEY)] * 3,
    "a page": [ScriptedReply(f"<html>{API_KEY}</html>", headers={"content-type": "text/html"})] * 3,
    "cut JSON": [ScriptedReply(f'{{"id": "{API_KEY}", "cho')] * 3,
    "cut content": [make_chat_reply(f'{{"faces": "{API_KEY}')] * 3,
    "a torn line": [ScriptedReply(f'{{"id": "{API_KEY}', cut=True)] * 9,
}


@pytest.mark.parametrize("name", ECHOES)
def test_the_key_is_in_no_output_no_file_and_no_exception(
    tmp_path, service, monkeypatch, capfd, caplog, name
):
    monkeypatch.setattr(openai_client, "MAX_RETRIES", 1)
    caplog.set_level("INFO")
    service.script += ECHOES[name]
    message = ""
    try:
        prompts.ensure_prompts(tmp_path, GPT_SETTINGS, 0)
    except console.PlainError as error:
        assert error.__cause__ is None and error.__context__ is None
        message = "".join(traceback.format_exception(error)) + repr(vars(error))
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    output = capfd.readouterr()
    everything = message + files + output.out + output.err + caplog.text
    assert service.received[0].headers["authorization"] == f"Bearer {API_KEY}"
    coded = base64.b64encode(f"me:{API_KEY}".encode()).decode()
    assert not any(part in everything for part in ("canary", "9c51d2", "CANARY", "9C51D2"))
    assert coded[8:16] not in everything
