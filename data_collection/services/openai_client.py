"""Call the OpenAI API, or a compatible server, and explain failures in plain words.

The key is read from OPENAI_API_KEY only. It appears in no message, file or exception: text from the
server is cleaned, and errors are raised outside of the `except` that caught them, so that they
carry no trace of the request.
"""

import functools
import importlib.util
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from data_collection.requirement import Requirement
from runtime import console
from runtime.terminal import secret_masking

if TYPE_CHECKING:
    import httpx2
    import openai

Answer = TypeVar("Answer")

TEXT_TIMEOUT_S = 60.0
"""Limit of an answer in text; the library's own limit is ten minutes, three times over."""

IMAGE_TIMEOUT_S = 240.0
"""Limit of an answer with an image."""

MAX_RETRIES = 3
"""Retries by the library after a time-out, a lost connection, 408, 409, 429 or 5xx.

It waits as long as Retry-After says (over two minutes it gives up), otherwise .5 s, 1 s, 2 s."""

RATE_LIMIT_PAUSE_S = 20.0
"""Wait after a 429 without Retry-After; with the retries it covers the minute of a limit."""

NO_CREDIT_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
MODERATION_CODES = ("moderation_blocked", "content_policy_violation", "content_filter")

_NO_CREDIT_MESSAGE = (
    "{service} says that the account of OPENAI_API_KEY has no credit left ({code}). Add credit, "
    "or give {alternative}."
)
MESSAGE_BY_ERROR_CODE = {
    **dict.fromkeys(NO_CREDIT_CODES, _NO_CREDIT_MESSAGE),
    "model_not_found": "{service} does not know the model {model}; name another with {option}.",
}

MESSAGE_BY_ERROR_CLASS = {
    "APITimeoutError": "{service} gave no answer within {timeout_s:g} seconds ({tries}). Run "
    "again, or give {alternative}.",
    "APIConnectionError": "{service} cannot be reached. Check the network and OPENAI_BASE_URL, or "
    "give {alternative}.",
    "AuthenticationError": "{service} rejects the key in OPENAI_API_KEY. Set a valid one, or give "
    "{alternative}.",
    "PermissionDeniedError": "{service} does not let the key in OPENAI_API_KEY use "
    "{model}{server_message}. Name another model with {option}, or give {alternative}.",
    "NotFoundError": "{service} has no {model}, or not at this address{server_message}. Check "
    "{option} and OPENAI_BASE_URL.",
    "RateLimitError": "{service} has received too many requests{wait}. Run again later, or give "
    "{alternative}.",
    "InternalServerError": "{service} is out of order ({status}, {tries}). Run again later, or "
    "give {alternative}.",
    "APIStatusError": "{service} rejects the request ({status}){server_message}. Check {option}, "
    "or give {alternative}.",
    "OpenAIError": "{service} cannot be called with these settings. Check the variables "
    "OPENAI_..., or give {alternative}.",
}
"""Messages by exception class of the library, or by a base of it."""


class UnusableAnswer(Exception):
    """The answer cannot be used; another call may help. The message is the reason, in words."""


class ModerationRefusal(UnusableAnswer):
    """The service's moderation refuses this one request."""


@dataclass(frozen=True)
class OpenAICall:
    """A request to a model, for the call and for messages about its failure.

    Attributes:
        model: its name.
        option: the option that names it.
        alternative: the option that avoids the service.
        timeout_s: limit of the whole answer.
    """

    model: str
    option: str
    alternative: str
    timeout_s: float


def check_api_key(alternative: str) -> Requirement:
    """Check the package and the key's form; send nothing."""
    name, key, is_met = "OPENAI_API_KEY", _read_api_key(), False
    if importlib.util.find_spec("openai") is None:
        name, status = "the package openai", "not installed (pip install openai)"
    elif not key:
        status = "not set"
    else:
        is_met = key.isascii() and key.isprintable() and " " not in key
        status = "set" if is_met else "set, but not to a key"
    return Requirement(name=name, met=is_met, status=status, alternative=alternative)


def call_openai(work: "Callable[[openai.OpenAI], Answer]", call: OpenAICall) -> Answer:
    """Return the result of `work`, which calls the service; wait for rate limits, retry faults.

    Raises:
        ModerationRefusal: by moderation.
        UnusableAnswer: the answer is not what the API documents, or was cut.
        PlainError: the service cannot be used: no valid key, no credit, no connection, ...
    """
    _check_configuration(call)
    import openai

    try:
        with _make_client(openai, call) as client:
            return work(client)
    except openai.OpenAIError as error:
        failure = _convert_openai_error(error, call)
    except (ValueError, TypeError, AttributeError, LookupError):
        # Measured: an HTML page comes as a str, cut JSON as a bare JSONDecodeError, `choices: []`
        # as an IndexError.
        failure = UnusableAnswer(
            "the answer is not what the API documents; is OPENAI_BASE_URL right?"
        )
    raise failure


def remove_keys(text: object) -> str:
    """Return the service's text as one line, without keys; servers echo the key they were sent."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return secret_masking.mask_server_text(line)


def _read_api_key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip()


def _check_configuration(call: OpenAICall) -> None:
    key = check_api_key(call.alternative)
    if not key.met:
        raise console.PlainError(
            f"{key.name} is {key.status}; correct that, or give {call.alternative}."
        )
    try:
        address = urlsplit(os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
        is_valid = (
            address.scheme in ("http", "https")
            and bool(address.hostname)
            and (address.port or 1) > 0
        )
    except ValueError:
        is_valid = False
    if not is_valid:
        raise console.PlainError(
            "OPENAI_BASE_URL is not a valid address; write it as in http://localhost:8000/v1, or "
            "unset it."
        )


def _make_client(openai, call: OpenAICall) -> "openai.OpenAI":
    from data_collection.services.http_deadline import DeadlineClient

    http_client = DeadlineClient(
        call.timeout_s,
        verify=_load_certificates(),
        event_hooks={"response": [_prepare_rate_limit_retry]},
    )
    return openai.OpenAI(
        api_key=_read_api_key(),
        timeout=call.timeout_s,
        max_retries=MAX_RETRIES,
        http_client=http_client,
    )


@functools.cache
def _load_certificates() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()  # 20 ms; the rest of a client takes 1 ms


def _prepare_rate_limit_retry(response: "httpx2.Response") -> None:
    """Announce the wait for a rate limit; prevent it without credit, where it would be in vain."""
    if response.status_code != 429:
        return
    response.read()
    if any(code in response.text for code in NO_CREDIT_CODES):
        response.headers["x-should-retry"] = "false"
        return
    if not {"retry-after", "retry-after-ms"} & set(response.headers):
        response.headers["retry-after"] = f"{RATE_LIMIT_PAUSE_S:g}"
    console.print_message(
        f"{_get_service_name()} has received too many requests and asks to "
        f"wait{_format_wait(response)}."
    )


def _format_wait(response: "httpx2.Response") -> str:
    seconds = response.headers.get("retry-after", "")
    return f" {seconds} seconds" if re.fullmatch(r"\d+(\.\d+)?", seconds) else ""


def _get_service_name() -> str:
    has_base_url = os.environ.get("OPENAI_BASE_URL")
    return "The server of OPENAI_BASE_URL" if has_base_url else "The OpenAI API"


def _convert_openai_error(error: "openai.OpenAIError", call: OpenAICall) -> Exception:
    code, response = getattr(error, "code", None), getattr(error, "response", None)
    body = getattr(error, "body", None)
    text = (body.get("message") if isinstance(body, dict) else "") or ""
    server_message = remove_keys(text)[:200].rstrip(".")
    if code in MODERATION_CODES:
        return ModerationRefusal(server_message or "refused by the service's moderation")
    template = MESSAGE_BY_ERROR_CODE.get(code) or next(
        MESSAGE_BY_ERROR_CLASS[kind.__name__]
        for kind in type(error).__mro__
        if kind.__name__ in MESSAGE_BY_ERROR_CLASS
    )
    wait = "" if response is None else _format_wait(response)
    request = getattr(error, "request", None)
    tries = 1 + int(request.headers.get("x-stainless-retry-count", 0)) if request is not None else 1
    details = {
        "service": _get_service_name(),
        "code": code,
        "status": getattr(error, "status_code", ""),
        "server_message": f": {server_message}" if server_message else "",
        "wait": f" and asks to wait{wait}" if wait else "",
        "tries": f"{tries} {'try' if tries == 1 else 'tries'}",
    }
    return console.PlainError(template.format(**details, **vars(call)), console.EXIT_REMOTE)
