"""publish(): a saved detector -> a table of what goes and what stays -> one commit on the Hugging
Face hub."""

import contextlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from detection.publish import files, hub_errors, path_redaction
from detection.publish.files import ExcludedFile, PublishedFile
from detection.publish.settings import PublishSettings
from runtime import console
from training.detectors import card as detector_card
from training.detectors import saved_models

if TYPE_CHECKING:
    import huggingface_hub

HUB_TIMEOUT_S = 120
"""Without a byte from the hub: by itself, its client waits for ever."""

ALLOWED_FOREIGN_FILES = {
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "README.md",
}
"""What a repository may hold that was made by hand for a detector to come."""


def publish_detector(settings: PublishSettings) -> None:
    """Publishes a saved detector; with `dry_run` only says what would go.

    Raises:
        PlainError: no detector, an altered one, or one without a model card; no token; or the hub
            refuses or breaks off.
    """
    folder = saved_models.find_detector(settings.saved_models, settings.model)
    card = detector_card.read_card(folder)
    sent = files.choose_published_files(folder, card, settings.with_report)
    print_publish_plan(sent, files.list_excluded_files(folder, sent), folder, settings.repo)
    if settings.dry_run:
        console.print_message("Nothing was sent, and nobody was asked: --dry-run.")
        return
    token = find_hub_token()
    with hub_errors.translate_hub_errors(settings.repo, token):
        print(upload_files(settings, card.name, sent, token))


def print_publish_plan(
    sent: list[PublishedFile], left: list[ExcludedFile], folder: Path, repo: str
) -> None:
    rows = [[each.name, format_size(each.size), "goes", each.note] for each in sent]
    rows += [
        [excluded.name, format_size(excluded.size), "stays", excluded.reason] for excluded in left
    ]
    console.print_table(f"{folder} to {repo}", ["file", "size", "", "how, or why not"], rows)
    texts = [
        each
        for each in sent
        if isinstance(each.content, bytes) and each.name != files.REPORT_PAGE_FILE
    ]
    named = [
        each.name for each in texts if path_redaction.contains_user_name(each.content.decode())
    ]
    if named and Path.home().name != repo.partition("/")[0]:
        console.print_warning(
            f"Your user name, {Path.home().name}, stands in {', '.join(named)}, perhaps by chance."
        )


def format_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def find_hub_token() -> str:
    """The token from HF_TOKEN or from the hub's own login; it is shown nowhere.

    Raises:
        PlainError: there is none.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

    from huggingface_hub import errors, get_token

    with contextlib.suppress(errors.OIDCError, errors.HTTPError):
        if token := get_token():
            return token
    raise console.PlainError(
        f"There is no token for the hub; run hf auth login, or set HF_TOKEN to one that may write ({hub_errors.TOKENS_URL}).",
        console.EXIT_REMOTE,
    )


def upload_files(
    settings: PublishSettings, name: str, sent: list[PublishedFile], token: str
) -> str:
    """Makes the repository and the branch if need be and sends the files in one commit; returns the
    address to look at."""
    from huggingface_hub import CommitOperationAdd, HfApi, utils

    # its warnings hold addresses of uploads, which whoever has them may use
    utils.logging.set_verbosity_error()
    api = HfApi(token=token)
    utils.get_session().timeout = HUB_TIMEOUT_S
    url = api.create_repo(settings.repo, private=settings.private or None, exist_ok=True)
    before = check_repository(api.model_info(settings.repo), settings)
    if settings.revision:
        api.create_branch(settings.repo, branch=settings.revision, exist_ok=True)
        before = api.model_info(settings.repo, revision=settings.revision)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        commit = api.create_commit(
            settings.repo,
            [CommitOperationAdd(each.name, each.content) for each in sent],
            commit_message=name,
            revision=settings.revision or None,
            parent_commit=before.sha,
        )
    for each in heard:
        if (
            each.category is UserWarning
        ):  # of the model card's metadata; the others are between libraries
            console.print_warning(f"{each.message}".replace(token, "..."))
    if commit.oid == before.sha:
        console.print_message(f"{settings.repo} holds exactly this already; nothing was changed.")
    else:
        console.print_message(
            f"Published {name}: {len(sent)} files, {format_size(sum(each.size for each in sent))}, in one commit."
        )
    return f"{url}/tree/{settings.revision}" if settings.revision else str(url)


def check_repository(
    info: "huggingface_hub.ModelInfo", settings: PublishSettings
) -> "huggingface_hub.ModelInfo":
    """What the hub says of the repository.

    Raises:
        PlainError: it is public and shall be private, or it holds something else than a detector.
    """
    if settings.private and not info.private:
        raise console.PlainError(
            f"{settings.repo} is public already, and --private does not change that; make it private in its settings on the "
            "hub, or give another name."
        )
    held = {file.rfilename for file in info.siblings or []}
    strange = sorted(held - ALLOWED_FOREIGN_FILES - set(files.PUBLISHED_FILES))
    if strange and detector_card.CARD_FILE not in held:
        raise console.PlainError(
            f"{settings.repo} holds something else than a detector ({strange[0]}, but no card.json); give another name."
        )
    return info
