"""Asks the OpenAI API, or a server that speaks like it, and says in plain words what went wrong.

The key is read from OPENAI_API_KEY only. It is in no sentence, file or exception: what the server says is cleaned, and
errors are raised outside of the `except` that caught them, so that they carry no trace of the request.
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

if TYPE_CHECKING:
    import httpx2
    import openai

Answer = TypeVar("Answer")

TEXT_TIMEOUT_S = 60.0
"""Seconds that an answer in words may take; the library's own limit is ten minutes, three times over."""

IMAGE_TIMEOUT_S = 240.0
"""Seconds that a picture may take."""

MAX_RETRIES = 3
"""Times that the library asks again after a time-out, a lost connection, 408, 409, 429 or 5xx.

It waits as long as Retry-After says, up to two minutes (with more it gives up at once), otherwise .5 s, 1 s, 2 s.
"""

RATE_LIMIT_PAUSE_S = 20.0
"""Seconds to wait after a 429 that does not say how long; with the retries it makes up the minute that limits count in."""

NO_CREDIT_CODES = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
MODERATION_CODES = ("moderation_blocked", "content_policy_violation", "content_filter")

_NO_CREDIT_MESSAGE = (
    "{service} says that the account of OPENAI_API_KEY has no credit left ({code}). Add credit, "
    "or give {instead}."
)
_NO_MODEL_MESSAGE = "{service} does not know the model {model}; name another with {option}."
MESSAGE_BY_ERROR_CODE = {
    **dict.fromkeys(NO_CREDIT_CODES, _NO_CREDIT_MESSAGE),
    "model_not_found": _NO_MODEL_MESSAGE,
}

MESSAGE_BY_ERROR_CLASS = {
    "APITimeoutError": "{service} gave no answer within {timeout:g} seconds ({tries}). Run again, or give {instead}.",
    "APIConnectionError": "{service} cannot be reached. Check the network and OPENAI_BASE_URL, or give {instead}.",
    "AuthenticationError": "{service} refuses the key in OPENAI_API_KEY. Set one that is valid, or give {instead}.",
    "PermissionDeniedError": "{service} does not let the key in OPENAI_API_KEY use {model}{said}. Name another model with "
    "{option}, or give {instead}.",
    "NotFoundError": "{service} has no {model}, or not at this address{said}. Check {option} and OPENAI_BASE_URL.",
    "RateLimitError": "{service} has had too many requests{wait}. Run again later, or give {instead}.",
    "InternalServerError": "{service} is out of order ({status}, {tries}). Run again later, or give {instead}.",
    "APIStatusError": "{service} refuses the request ({status}){said}. Check {option}, or give {instead}.",
    "OpenAIError": "{service} cannot be asked with these settings. Check the variables OPENAI_..., or give {instead}.",
}
"""Message for each error of the library; an error's own class stands before its bases."""


class UnusableAnswer(Exception):
    """An answer came that cannot be used; asking again may help. The message is the reason, in words."""


class ModerationRefusal(UnusableAnswer):
    """The service's moderation does not want to answer this one question."""


@dataclass(frozen=True)
class OpenAICall:
    """A request to a model, for the call and for messages about its failure.

    Attributes:
        model: its name.
        option: the option that names it.
        instead: the option that does without the service.
        timeout: seconds.
    """

    model: str
    option: str
    instead: str
    timeout: float


def check_api_key(instead: str) -> Requirement:
    """Whether the service can be asked at all; nothing is sent."""
    if importlib.util.find_spec("openai") is None:
        return Requirement(
            "the package openai", False, "not installed (pip install openai)", instead
        )
    if not _read_api_key():
        return Requirement("OPENAI_API_KEY", False, "not set", instead)
    sound = (
        _read_api_key().isascii() and _read_api_key().isprintable() and " " not in _read_api_key()
    )
    return Requirement(
        "OPENAI_API_KEY", sound, "set" if sound else "set to something that is no key", instead
    )


def call_openai(work: "Callable[[openai.OpenAI], Answer]", asking: OpenAICall) -> Answer:
    """Returns what `work` makes of the service's answer; rate limits are waited for, passing faults tried again.

    Raises:
        Refused: by moderation. Unusable: the answer is not what the API documents, or was cut.
        PlainError: the service cannot be used: no or a wrong key, no credit, no such model, no connection, ...
    """
    _check_configuration(asking)
    import openai

    try:
        with _make_client(openai, asking) as client:
            return work(client)
    except openai.LengthFinishReasonError:
        fault = UnusableAnswer("the answer was cut at the model's limit")
    except openai.ContentFilterFinishReasonError:
        fault = ModerationRefusal("held back by the service's moderation")
    except openai.OpenAIError as error:
        fault = _convert_openai_error(error, asking)
    except (ValueError, TypeError, AttributeError, LookupError):
        # Measured: a page of HTML comes as a str, cut JSON as a bare JSONDecodeError, `choices: []` as an IndexError.
        fault = UnusableAnswer(
            "the answer is not what the API documents; is OPENAI_BASE_URL right?"
        )
    raise fault


def remove_keys(text: object) -> str:
    """One line of text from the service, without what looks like a key; servers echo the key they were sent."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    if len(_read_api_key()) >= 8:
        line = line.replace(_read_api_key(), "(key)")
    return re.sub(r"\b(sk|sess)-[\w*.-]{6,}", "(key)", line)


def _read_api_key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip()


def _check_configuration(asking: OpenAICall) -> None:
    missing = check_api_key(asking.instead)
    if not missing.met:
        raise console.PlainError(
            f"{missing.name} is {missing.status}; mend that, or give {asking.instead}."
        )
    try:
        address = urlsplit(os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1")
        sound = (
            address.scheme in ("http", "https")
            and bool(address.hostname)
            and (address.port or 1) > 0
        )
    except ValueError:
        sound = False
    if not sound:
        raise console.PlainError(
            "OPENAI_BASE_URL is no address; write it as in http://localhost:8000/v1, or unset it."
        )


def _make_client(openai, asking: OpenAICall) -> "openai.OpenAI":
    from data_collection.services.http_deadline import DeadlineClient

    http_client = DeadlineClient(
        asking.timeout,
        verify=_load_certificates(),
        event_hooks={"response": [_prepare_rate_limit_retry]},
    )
    return openai.OpenAI(
        api_key=_read_api_key(),
        timeout=asking.timeout,
        max_retries=MAX_RETRIES,
        http_client=http_client,
    )


@functools.cache
def _load_certificates() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()  # 20 ms; everything else of a client takes 1


def _prepare_rate_limit_retry(response: "httpx2.Response") -> None:
    """Says that a rate limit is waited for; without credit, waiting is in vain, and the library would do it all the same."""
    if response.status_code != 429:
        return
    response.read()
    if any(code in response.text for code in NO_CREDIT_CODES):
        response.headers["x-should-retry"] = "false"
        return
    if not {"retry-after", "retry-after-ms"} & set(response.headers):
        response.headers["retry-after"] = f"{RATE_LIMIT_PAUSE_S:g}"
    console.print_message(
        f"{_get_service_name()} has had too many requests and asks to wait{_format_wait(response)}."
    )


def _format_wait(response: "httpx2.Response") -> str:
    seconds = response.headers.get("retry-after", "")
    return f" {seconds} seconds" if re.fullmatch(r"\d+(\.\d+)?", seconds) else ""


def _get_service_name() -> str:
    return (
        "The server of OPENAI_BASE_URL" if os.environ.get("OPENAI_BASE_URL") else "The OpenAI API"
    )


def _convert_openai_error(error: "openai.OpenAIError", asking: OpenAICall) -> Exception:
    code, response = getattr(error, "code", None), getattr(error, "response", None)
    body = getattr(error, "body", None)
    said = (
        remove_keys(body.get("message") or "")[:200].rstrip(".") if isinstance(body, dict) else ""
    )
    if code in MODERATION_CODES:
        return ModerationRefusal(said or "refused by the service's moderation")
    sentence = MESSAGE_BY_ERROR_CODE.get(code) or next(
        MESSAGE_BY_ERROR_CLASS[kind.__name__]
        for kind in type(error).__mro__
        if kind.__name__ in MESSAGE_BY_ERROR_CLASS
    )
    wait = _format_wait(response) if response is not None else ""
    request = getattr(error, "request", None)
    tries = 1 + int(request.headers.get("x-stainless-retry-count", 0)) if request is not None else 1
    facts = {
        "service": _get_service_name(),
        "code": code,
        "status": getattr(error, "status_code", ""),
        "said": f": {said}" if said else "",
        "wait": f" and asks to wait{wait}" if wait else "",
        "tries": f"{tries} {'try' if tries == 1 else 'tries'}",
    }
    return console.PlainError(sentence.format(**facts, **vars(asking)), console.EXIT_REMOTE)
