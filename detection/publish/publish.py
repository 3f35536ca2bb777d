"""Publish a saved detector on the Hugging Face Hub: a table of its files, then one commit."""

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from detection.models.answering import choose_detector
from detection.publish import files, hub_errors, path_redaction
from detection.publish.files import ExcludedFile, PublishedFile
from detection.publish.settings import PublishSettings
from runtime import console
from training.detectors import card as detector_card
from training.detectors import ready_detectors, saved_models

if TYPE_CHECKING:
    import huggingface_hub

HUB_TIMEOUT_S = 120
"""Timeout of a request to the Hub; by default, its client waits forever."""

ALLOWED_FOREIGN_FILES = {
    ".gitattributes",
    ".gitignore",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "README.md",
}
"""Files that a repository without a detector may contain, such as one created by hand."""


def publish_detector(settings: PublishSettings) -> None:
    """Publish a saved detector; with `dry_run`, only print what would be published.

    Raises:
        PlainError: the detector is missing, was altered, has no model card or was trained on the
            sample; there is no token; or the Hub refuses or fails.
    """
    answering = choose_detector(settings.saved_models, settings.model)
    answering.announce()
    folder = answering.folder
    if settings.model is None and ready_detectors.is_ready_detector(folder):
        raise console.PlainError(
            f"{folder.name} comes with Telltale and is not published unasked. Name a detector with "
            "--model.",
            console.EXIT_BAD_MODEL,
        )
    card = detector_card.read_card(folder)
    if card.practice:
        raise console.PlainError(
            f"{card.name} is not published: it was trained on the sample data set, so its verdicts "
            "mean nothing. Train on your own faces and publish that detector.",
            console.EXIT_BAD_MODEL,
        )
    published = files.choose_published_files(folder, card, settings.with_report)
    if settings.without_base:
        published = files.leave_out_base(published, folder)
    excluded = files.list_excluded_files(folder, published)
    print_publish_plan(published, excluded, folder, settings.repo or str(settings.out))
    if settings.dry_run:
        console.print_message("Nothing was sent: --dry-run.")
        return
    if settings.out:
        write_files(published, settings.out)
        return
    token = find_hub_token()
    with hub_errors.translate_hub_errors(settings.repo, token):
        print(upload_files(settings, card.name, published, token))


def write_files(published: list[PublishedFile], out: Path) -> None:
    """Write the files into a new folder, which gets its name once all are written.

    Raises:
        PlainError: the folder is there already.
    """
    if out.exists():
        raise console.PlainError(f"{out} exists. Give --out the path of a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with saved_models.create_model_folder(out.parent, out.name) as folder:
        for file in published:
            path = folder / file.name
            path.parent.mkdir(exist_ok=True)
            content = file.content
            path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    console.print_message(f"Wrote {len(published)} files to {out}.")


def print_publish_plan(
    published: list[PublishedFile], excluded: list[ExcludedFile], folder: Path, repo: str
) -> None:
    rows = [[file.name, format_size(file.size), "yes", file.note] for file in published]
    rows += [[file.name, format_size(file.size), "no", file.reason] for file in excluded]
    console.print_table(
        f"{folder} to {repo}", ["file", "size", "published", "how, or why not"], rows
    )
    names_with_user = [
        file.name
        for file in published
        if isinstance(file.content, bytes)
        and file.name != files.REPORT_PAGE_FILE
        and path_redaction.contains_user_name(file.content.decode())
    ]
    if names_with_user and Path.home().name != repo.partition("/")[0]:
        console.print_warning(
            f"Your user name, {Path.home().name}, is in {', '.join(names_with_user)}, perhaps by "
            "chance. Check them before you publish."
        )


def format_size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def find_hub_token() -> str:
    """Return the token from HF_TOKEN or from `hf auth login`; it is never printed.

    Raises:
        PlainError: there is none.
    """
    from huggingface_hub import errors, get_token

    with contextlib.suppress(errors.OIDCError, errors.HTTPError):
        if token := get_token():
            return token
    raise console.PlainError(
        "There is no token for the Hub. Run hf auth login, or set HF_TOKEN to one with write "
        f"access ({hub_errors.TOKENS_URL}).",
        console.EXIT_REMOTE,
    )


def upload_files(
    settings: PublishSettings, name: str, published: list[PublishedFile], token: str
) -> str:
    """Create the repository and the branch if needed, upload the files in one commit, and return
    the address."""
    from huggingface_hub import CommitOperationAdd, HfApi, utils

    # its warnings contain upload addresses, which anybody who has them can use
    utils.logging.set_verbosity_error()
    api = HfApi(token=token)
    utils.get_session().timeout = HUB_TIMEOUT_S
    url = api.create_repo(settings.repo, private=settings.private or None, exist_ok=True)
    parent = check_repository(api.model_info(settings.repo), settings)
    if settings.revision:
        api.create_branch(settings.repo, branch=settings.revision, exist_ok=True)
        parent = api.model_info(settings.repo, revision=settings.revision)
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        commit = api.create_commit(
            settings.repo,
            [CommitOperationAdd(file.name, file.content) for file in published],
            commit_message=name,
            revision=settings.revision or None,
            parent_commit=parent.sha,
        )
    for warning in recorded:
        # UserWarning is about the model card's metadata; the others are internal to libraries
        if warning.category is UserWarning:
            console.print_warning(f"{warning.message}".replace(token, "..."))
    if commit.oid == parent.sha:
        console.print_message(
            f"{settings.repo} already contains exactly this; nothing was changed."
        )
    else:
        console.print_message(
            f"Published {name}: {len(published)} files, "
            f"{format_size(sum(file.size for file in published))}, in one commit."
        )
    return f"{url}/tree/{settings.revision}" if settings.revision else str(url)


def check_repository(
    info: "huggingface_hub.ModelInfo", settings: PublishSettings
) -> "huggingface_hub.ModelInfo":
    """Return the Hub's information on the repository, after checking it.

    Raises:
        PlainError: it is public despite --private, or contains something else than a detector.
    """
    if settings.private and not info.private:
        raise console.PlainError(
            f"{settings.repo} is already public, and --private does not change that. Make it "
            "private in its settings on the Hub, or give another name."
        )
    existing = {file.rfilename for file in info.siblings or []}
    foreign = sorted(existing - ALLOWED_FOREIGN_FILES - files.list_publishable_names())
    if foreign and detector_card.CARD_FILE not in existing:
        raise console.PlainError(
            f"{settings.repo} contains something else than a detector ({foreign[0]}, but no "
            "card.json). Give another name."
        )
    return info
