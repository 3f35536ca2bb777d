"""A secret of the environment is in nothing that is printed, however a service codes it."""

import base64
import json
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest

from runtime.terminal.secret_masking import mask_secrets, mask_server_text
from toys.commands import build_environment

SECRET = "pX7/+q=9Zk&w_Rt-4uV\N{LATIN SMALL LETTER E WITH ACUTE}%~b"

CODINGS = {
    "as it is": str,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in an address": lambda text: quote(text, safe=""),
    "in a form": quote_plus,
    "twice in JSON": lambda text: json.dumps(json.dumps(text)),
    "in JSON of numbers": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "in Python": ascii,
    "in bytes": lambda text: repr(text.encode()),
    "in HTML": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "in hexadecimal": lambda text: text.encode().hex(),
    "in base64": lambda text: base64.b64encode(text.encode()).decode(),
    "in base64 of an address": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "in base64 behind a name": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "in base64 behind another": lambda text: base64.b64encode(f"a:{text}".encode()).decode(),
    "in base64 of lines": lambda text: base64.encodebytes(f"{text * 4}".encode()).decode(),
    "broken over lines": lambda text: "\n  ".join((text[:7], text[7:16], text[16:])),
    "broken in JSON": lambda text: json.dumps("\n".join((text[:9], text[9:]))),
}


REFUSE = (
    "import httpx2; request = httpx2.Request('GET', 'http://h/?key=' + secret); "
    "answer = httpx2.Response(401, request=request)"
)
"""Makes an answer whose errors quote its address."""


def leak(text: str, secret: str) -> list[str]:
    """Return the pieces of four characters of the secret that a text still has."""
    pieces = (secret[start : start + 4] for start in range(len(secret) - 3))
    return [piece for piece in pieces if piece.lower() in text.lower()]


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("name", CODINGS)
def test_a_secret_is_masked_in_every_case_and_coding(monkeypatch, variable, name):
    coded = CODINGS[name](SECRET)
    assert leak(coded, SECRET) or coded != SECRET
    monkeypatch.setenv(variable, SECRET)
    masked = mask_secrets(f"the server says {coded} and ends")
    assert "(key)" in masked and masked.startswith("the server says ") and "and ends" in masked
    assert not leak(masked, SECRET) and not leak(masked, coded), masked


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "HTTPS_PROXY"])
def test_the_password_of_an_address_is_masked_alone_and_in_a_header(monkeypatch, variable):
    monkeypatch.setenv(variable, "http://user:PASSWORD77@localhost:1/v1")
    for text in (
        "password77 is wrong",
        f"bad {base64.b64encode(b'user:PASSWORD77').decode()}",
        "http://user:PASSWORD77@localhost:1/v1 does not answer",
    ):
        masked = mask_secrets(text).lower()
        assert "password" not in masked and "uefTU1dPUkQ".lower() not in masked


def test_what_looks_like_a_secret_is_masked_without_its_variable():
    for text in (
        *("sk-proj-12345678", "hf_" + "a1B2" * 8, "AKIA" + "Z9" * 8, "Basic dXNlcjpQQVNT"),
        *("authorization: Bearer abc.def-gh1", "postgres://me:geheim@host/x"),
    ):
        masked = mask_server_text(f"{text} here")
        assert "(key)" in masked and masked.endswith(" here") and text not in masked


def test_ordinary_messages_stay_as_they_are(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", "short")
    for text in (
        "data/faces: 56 images for training; short of keys, basic checks and bearers.",
        "https://huggingface.co/settings/tokens and s3://bucket/faces@home, a sk-y b",
    ):
        assert mask_secrets(text) == mask_server_text(text) == text
    assert mask_secrets("sk-portrait-01.jpg") == "sk-portrait-01.jpg"


@pytest.mark.parametrize(
    "line",
    [
        "raise RuntimeError(secret.upper())",
        "import threading; t = threading.Thread(target=int, args=[secret]); t.start(); t.join()",
        "import logging; logging.basicConfig(); logging.warning('sent %s', secret)",
        "import logging; logging.basicConfig()\n try: int(secret)\n"
        " except ValueError: logging.exception('no')",
        "raise console.PlainError(secret)",
        "console.print_warning(secret)",
        f"{REFUSE}; answer.raise_for_status()",
        f"{REFUSE}; import openai; raise openai.AuthenticationError(secret, response=answer, "
        "body=None)",
        f"{REFUSE}; from huggingface_hub.utils import hf_raise_for_status as f; f(answer)",
        "import requests; answer = requests.Response(); answer.status_code = 401; "
        "answer.url = 'http://h/?key=' + secret; answer.raise_for_status()",
    ],
)
def test_no_error_or_log_line_of_a_command_shows_a_secret(line, tmp_path):
    secret = "canary.9c51d2.77f3a"
    program = (
        "import os\nfrom runtime import console\n"
        f"def work():\n secret = os.environ['KAGGLE_API_TOKEN']\n {line}\n"
        "console.run_command(work)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=build_environment(KAGGLE_API_TOKEN=secret, OPENAI_API_KEY="canary.8d42e1"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    printed = (done.stdout + done.stderr).lower()
    assert "canary" not in printed and "9c51d2" not in printed and "(key)" in printed, printed
