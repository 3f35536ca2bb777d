"""Write and find saved_models/<name>/, and check its model files before they are opened."""

import contextlib
import datetime
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import atomic_files, console, hashing
from runtime.commands.suggestions import find_close_names
from training.detectors import own_detectors, ready_detectors, safe_keras, shared_base
from training.detectors.card import CARD_FILE, Card, read_card
from training.model_checks import safe_onnx

if TYPE_CHECKING:
    import keras

KERAS_FILE, ONNX_FILE = "detector.keras", "detector.onnx"


def check_name(folder: Path, requested: str) -> None:
    """Check that a model can be saved under this name; create the folder of all models.

    Raises:
        PlainError: the name is taken, or is that of a ready detector.
        OSError: the folder cannot be written to, which a user wants to know before a search.
    """
    if requested in [ready.name for ready in ready_detectors.find_ready_detectors()]:
        raise console.PlainError(f"{requested} comes with Telltale. Choose another --name.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    if requested and (folder / requested).exists():
        raise console.PlainError(f"{folder / requested} exists. Choose another --name.")


def choose_free_name(folder: Path, requested: str, stem: str) -> str:
    """Return the requested name, or the stem and the time.

    Raises:
        PlainError, OSError: as check_name does.
    """
    check_name(folder, requested)
    return requested or f"{stem}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"


@contextlib.contextmanager
def create_model_folder(folder: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder for a model; it gets its name once everything in it is written."""
    with atomic_files.create_temporary_folder(folder, name) as temporary:
        yield temporary
        atomic_files.flush_folder(temporary)
        os.replace(temporary, folder / name)
        atomic_files.flush_to_disk(folder)


def find_detector(folder: Path, named: Path | None) -> Path:
    """Return the folder of the named detector, or of the newest of one's own.

    Args:
        folder: of all saved detectors.
        named: path of a detector, name of one in `folder` or of a ready one, or name or path of a
            data set, for the newest detector that was trained on it.

    Raises:
        PlainError: there is none.
    """
    if named is None:
        return folder / find_newest(load_cards(folder))
    ready = [path for path in ready_detectors.find_ready_detectors() if path.name == str(named)]
    for path in (named, folder / named, *ready):
        if (path / CARD_FILE).is_file():
            return path
    cards = read_own_cards(folder)
    trained = {name: card for name, card in cards.items() if _was_trained_on(card, named)}
    if trained:
        return folder / find_newest(trained)
    raise _make_unknown_detector_error(folder, named)


def _make_unknown_detector_error(folder: Path, named: Path) -> console.PlainError:
    known = {name: str(folder / name) for name in _list_names(folder)}
    known |= {path.name: path.name for path in ready_detectors.find_ready_detectors()}
    close = find_close_names(named.name, known)
    if (named.parent / CARD_FILE).is_file():
        hint = f"Give its folder: {named.parent}."
    elif close:
        hint = f"Did you mean {known[close[0]]}?"
    else:
        hint = f"Saved detectors are {', '.join(known)}." if known else f"{folder} holds none."
    return console.PlainError(f"{named} is not a saved detector. {hint}", console.EXIT_BAD_MODEL)


def _was_trained_on(card: Card, dataset: Path) -> bool:
    folder = Path(card.dataset.folder)
    return dataset in (folder, Path(folder.name))


def find_newest(cards: Mapping[str, Card]) -> str:
    """Return the name of the newest of these detectors."""
    return max(cards, key=lambda name: rank_by_age(cards[name]))


def rank_by_age(card: Card) -> tuple[bool, datetime.datetime]:
    """Return the key that sorts detectors, the newest last.

    One with a date in the future comes first: its clock was wrong, or its date was made up.
    """
    return card.created_at <= datetime.datetime.now(datetime.UTC), card.created_at


def load_cards(folder: Path) -> dict[str, Card]:
    """Return the card of every detector that was trained in a folder, by name.

    Raises:
        PlainError: there is none.
    """
    cards = read_own_cards(folder)
    if not cards:
        holds = "no detector that was trained there" if _list_names(folder) else "no detector"
        raise console.PlainError(
            f"{folder} holds {holds}. Run python -m training first, or name one with --model.",
            console.EXIT_BAD_MODEL,
        )
    return cards


def read_own_cards(folder: Path) -> dict[str, Card]:
    """Return the card of every detector that was trained in a folder, by name."""
    return select_own(folder, read_cards(folder))


def select_own(folder: Path, cards: Mapping[str, Card]) -> dict[str, Card]:
    """Return those cards of a folder whose detectors were trained in it."""
    return {
        name: card for name, card in cards.items() if own_detectors.was_trained_here(folder / name)
    }


def read_cards(folder: Path) -> dict[str, Card]:
    """Return the card of every detector in a folder but the ready ones, by name.

    Damaged ones are skipped with a warning.
    """
    cards = {}
    for name in _list_names(folder):
        try:
            cards[name] = read_card(folder / name)
        except console.PlainError as error:
            console.print_warning(f"Skipping {name}: {error}")
    return cards


def _list_names(folder: Path) -> list[str]:
    return sorted(
        path.parent.name
        for path in folder.glob(f"*/{CARD_FILE}")
        if not path.parent.name.startswith(".")
        and not ready_detectors.is_ready_detector(path.parent)
    )


def verify_model_file(folder: Path, card: Card, file: str) -> Path:
    """Return the path of a model file, after comparing its hash with the card.

    A file without the weights of its base is restored to a temporary one. An ONNX file is looked
    into.

    Raises:
        PlainError: the file is missing or was altered, or holds what Telltale does not write.
    """
    path = whole = folder / file
    if shared_base.has_parts(path):
        whole = shared_base.restore_file(path, card.sha256.get(file, ""))
    if not whole.is_file() or hashing.hash_file(whole) != card.sha256.get(file):
        raise _make_altered_error(path)
    if path.suffix == ".onnx":
        safe_onnx.check_onnx_file(whole, card.sha256[file], card.image_size, path)
    return whole


def read_verified_model(folder: Path, card: Card, file: str) -> bytes:
    """Return the bytes of a model file, after comparing their hash with the card.

    Unlike a file, bytes cannot be altered between the check and their use. Those of an ONNX file
    are looked into.

    Raises:
        PlainError: the file is missing or was altered, or holds what Telltale does not write.
    """
    path = folder / file
    if shared_base.has_parts(path):
        data = shared_base.restore_bytes(path)
    else:
        data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != card.sha256.get(file):
        raise _make_altered_error(path)
    if path.suffix == ".onnx":
        safe_onnx.check_onnx_file(data, card.sha256[file], card.image_size, path)
    return data


def load_verified_keras(folder: Path, card: Card) -> "keras.Model":
    """Open detector.keras from bytes that have the hash in the card, and were looked into.

    Raises:
        PlainError: it is missing or was altered, or holds what Telltale does not write.
    """
    data = read_verified_model(folder, card, KERAS_FILE)
    return safe_keras.load_keras_bytes(data, folder / KERAS_FILE, card.image_size)


def _make_altered_error(path: Path) -> console.PlainError:
    if shared_base.has_parts(path):
        return console.PlainError(
            f"{path.name} does not have the hash in its card: its parts, or the weights of its "
            f"base in {shared_base.locate_shared_weights()}, were altered. It was not opened. "
            "Delete that folder and try again, or restore the detector.",
            console.EXIT_BAD_MODEL,
        )
    fault = "was altered since it was saved" if path.is_file() else "is missing"
    return console.PlainError(
        f"{path} {fault}. It was not opened. Restore it, or train the detector again.",
        console.EXIT_BAD_MODEL,
    )


def find_best_detector(folder: Path, named: Path | None) -> Path:
    """Return the folder of the named detector, or of the best on the data set of one's newest.

    The best one has the lowest validation loss.

    Raises:
        PlainError: there is none.
    """
    if named is not None:
        return find_detector(folder, named)
    cards = load_cards(folder)
    newest = cards[find_newest(cards)]
    candidates = [
        name
        for name, card in cards.items()
        if card.dataset.fingerprint == newest.dataset.fingerprint
    ]
    return folder / min(candidates, key=lambda name: cards[name].metrics.log_loss)
