"""Translate errors of the Hugging Face Hub and its client into messages without the token."""

import contextlib
import re
from collections.abc import Iterator

from runtime import console
from runtime.terminal import secret_masking

TOKENS_URL = "https://huggingface.co/settings/tokens"

REFUSAL_MESSAGES = {
    401: "The Hub does not accept the token. Set HF_TOKEN to one with write access ({tokens}), or "
    "run hf auth login.",
    402: "The Hub asks for payment: the storage of the owner of {repo} is full.",
    403: "The token has no write access to {repo}. Give a repository of your own, or a token with "
    "write access ({tokens}).",
    404: "The Hub does not find {repo} with this token. Check the name, or give a token with "
    "access.",
    409: "Somebody else is changing {repo}. Run the command again.",
    412: "Somebody else changed {repo} meanwhile. Look at it, then run the command again.",
    429: "The Hub received too many requests. Wait a while and run the command again.",
}
"""Messages for the Hub's refusals, by HTTP status."""

CONNECTION_LOST_MESSAGE = (
    "The Hub cannot be reached, or the connection was lost. Check the network and run the command "
    "again. Nothing is visible there until everything is uploaded, and nothing is uploaded twice."
)
OFFLINE_MODE_MESSAGE = "HF_HUB_OFFLINE is set, so the Hub is not contacted. Unset it."


@contextlib.contextmanager
def translate_hub_errors(repo: str, token: str) -> Iterator[None]:
    """Translate errors of the Hub's client inside the block.

    Raises:
        PlainError: in place of any such error.
    """
    from huggingface_hub import errors

    try:
        yield
    # ValueError, KeyError: an answer is not JSON or lacks a key. RuntimeError: the client reports
    # a failed upload.
    except (errors.HTTPError, OSError, ValueError, KeyError, RuntimeError) as error:
        if isinstance(error, OSError) and error.filename:
            raise  # about a local file
        cause = _find_cause(error)
        if _is_disk_failure(cause):
            raise cause from None
        raise console.PlainError(
            secret_masking.mask_server_text(describe_hub_error(cause, repo), token),
            console.EXIT_REMOTE,
        ) from None


def _find_cause(error: Exception) -> Exception:
    """Return the error behind the client's RuntimeError about a failed upload, else the error."""
    while isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _is_disk_failure(error: Exception) -> bool:
    """Return whether the disk of this machine failed; a server's answer may be about its own."""
    from huggingface_hub import errors

    return not isinstance(error, errors.HTTPError) and console.explain_os_error(error) is not None


def describe_hub_error(error: Exception, repo: str) -> str:
    """Return a message for an error; a message of the server may contain the token."""
    from huggingface_hub import errors

    descriptions = {
        errors.OfflineModeIsEnabled: lambda _: OFFLINE_MODE_MESSAGE,
        errors.HfHubHTTPError: lambda error: describe_refusal(
            error.response.status_code, error.server_message, repo
        ),
        errors.HTTPError: lambda _: CONNECTION_LOST_MESSAGE,
        PermissionError: lambda _: describe_refusal(403, "", repo),  # from hf_xet, about the token
        OSError: lambda error: describe_xet_error(str(error), repo),
        Exception: lambda error: f"The Hub's answer is not understood: {shorten_text(str(error))}",
    }
    return next(
        describe(error) for kind, describe in descriptions.items() if isinstance(error, kind)
    )


def describe_refusal(status: int, reason: str | None, repo: str) -> str:
    if status >= 500:
        return (
            f"The Hub has an internal error ({status}). Run the command again later; nothing is "
            "uploaded twice."
        )
    otherwise = f"The Hub refuses ({status}): {shorten_text(reason or 'no reason given')}"
    return (
        REFUSAL_MESSAGES[status].format(repo=repo, tokens=TOKENS_URL)
        if status in REFUSAL_MESSAGES
        else otherwise
    )


def describe_xet_error(text: str, repo: str) -> str:
    """Describe an error of hf_xet, which raises ConnectionError for everything, with the status in
    its text, as in "(403 Forbidden)"."""
    status = re.search(r"\((\d{3}) [A-Z]", text)
    return describe_refusal(int(status[1]), "", repo) if status else CONNECTION_LOST_MESSAGE


def shorten_text(text: str) -> str:
    return " ".join(text.split())[:200]
