"""What the Hugging Face hub and its client answer, in plain words and without the token."""

import contextlib
import re
from collections.abc import Iterator

from runtime import console

TOKENS_URL = "https://huggingface.co/settings/tokens"

REFUSAL_MESSAGES = {
    401: "The hub does not accept the token; set HF_TOKEN to one that may write ({tokens}), or run hf auth login.",
    402: "The hub asks for payment: the owner of {repo} has no room for it.",
    403: "The token may not write to {repo}; give a name of your own, or a token with write access to it ({tokens}).",
    404: "The hub does not show {repo} to this token; look at its name, or give a token with write access to it.",
    409: "Somebody else is changing {repo}; run again.",
    412: "Somebody else has changed {repo} meanwhile; look at it, then run again.",
    429: "The hub had too many requests; wait a while and run again.",
}
"""What the hub's refusals mean, by HTTP status."""

CONNECTION_LOST_MESSAGE = (
    "The hub cannot be reached, or has broken off; check the network and run again. Nothing shows there until all of it has "
    "arrived, and what has arrived is not sent twice."
)
OFFLINE_MODE_MESSAGE = "HF_HUB_OFFLINE forbids to ask the hub; unset it."


@contextlib.contextmanager
def translate_hub_errors(repo: str, token: str) -> Iterator[None]:
    """Turns whatever the hub's client raises into one sentence.

    Raises:
        PlainError: instead of it.
    """
    from huggingface_hub import errors

    try:
        yield
    # ValueError, KeyError: an answer that is no JSON or lacks a key. RuntimeError: the client's own
    # about a failed upload.
    except (errors.HTTPError, OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:
            raise  # of a file here
        raise console.PlainError(
            describe_hub_error(error, repo).replace(token, "..."), console.EXIT_REMOTE
        ) from None


def describe_hub_error(error: Exception, repo: str) -> str:
    """One sentence on what was raised; with what the server says it may hold the token."""
    from huggingface_hub import errors

    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        return describe_hub_error(error.__cause__, repo)
    rows = {
        errors.OfflineModeIsEnabled: lambda _: OFFLINE_MODE_MESSAGE,
        errors.HfHubHTTPError: lambda refused: describe_refusal(
            refused.response.status_code, refused.server_message, repo
        ),
        errors.HTTPError: lambda _: CONNECTION_LOST_MESSAGE,
        PermissionError: lambda _: describe_refusal(403, "", repo),  # hf_xet's, about the token
        OSError: lambda broken: describe_xet_error(str(broken), repo),
        Exception: lambda odd: f"The hub's answer is not understood: {shorten_text(str(odd))}",
    }
    return next(say(error) for kind, say in rows.items() if isinstance(error, kind))


def describe_refusal(status: int, reason: str | None, repo: str) -> str:
    if status >= 500:
        return f"The hub has a failure of its own ({status}); run again later. What has arrived is not sent twice."
    otherwise = f"The hub refuses ({status}): {shorten_text(reason or 'without a reason')}"
    return (
        REFUSAL_MESSAGES[status].format(repo=repo, tokens=TOKENS_URL)
        if status in REFUSAL_MESSAGES
        else otherwise
    )


def describe_xet_error(text: str, repo: str) -> str:
    """hf_xet calls every failure a ConnectionError; a status stands in its text only, as in "(403
    Forbidden)"."""
    status = re.search(r"\((\d{3}) [A-Z]", text)
    return describe_refusal(int(status[1]), "", repo) if status else CONNECTION_LOST_MESSAGE


def shorten_text(text: str) -> str:
    return " ".join(text.split())[:200]
