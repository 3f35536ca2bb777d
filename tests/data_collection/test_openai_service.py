"""Whatever the service, the line or the key is like, a sentence tells it, nothing is lost, and the key is never shown."""

import socket
import time
import traceback
from dataclasses import replace

import pytest

from data_collection import console, openai_service, prompt_list, prompts
from toy_openai import JSON, KEY, Reply, chat, faces, fault
from toy_prompts import GPT, refused

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
    assert len(service.received) == 1 + requests and len(prompt_list.read(tmp_path)) == 4


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


@pytest.mark.parametrize("drip", [range(9, 400), range(70, 400)], ids=["headers", "body"])
def test_an_answer_that_drips_is_given_up_when_its_time_is_over(tmp_path, service, monkeypatch, drip):
    monkeypatch.setattr(openai_service, "TIMEOUT", 0.3)
    monkeypatch.setattr(openai_service, "RETRIES", 1)
    service.script += [Reply(" " * 900 + "{}", drip=drip)] * 2
    start = time.monotonic()
    assert "gave no answer within 0.3 seconds (2 tries)" in str(refused(tmp_path))
    assert time.monotonic() - start < 2.5 and len(service.received) == 2


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
