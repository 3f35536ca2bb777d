"""Find the detector that answers: the one rule of all commands of detection."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detection.models.choice import CHOICE_ADVICE, USE_COMMAND, read_choice
from runtime import console
from training.detectors import ready_detectors, saved_models
from training.detectors.card import CARD_FILE, Card, read_card
from validation.report.report_files import has_report

READY_REASON = "it comes with Telltale; no detector of your own is validated"


@dataclass(frozen=True)
class AnsweringDetector:
    """The detector that answers.

    Attributes:
        reason: why it was taken, to stand in brackets after its name.
        note: why a newer one of the user's own does not answer; empty if there is none.
    """

    folder: Path
    reason: str
    note: str = ""

    def announce(self) -> None:
        """Print its name and why it was taken, for commands whose results do not say so."""
        console.print_message(f"Detector: {self.folder.name} ({self.reason}).")


def choose_detector(folder: Path, named: Path | None) -> AnsweringDetector:
    """Return the detector that answers, and print the note on a newer one.

    Raises:
        PlainError: none answers, or the one that was named or chosen cannot.
    """
    answering = find_answering_detector(folder, named)
    if answering.note:
        console.print_message(answering.note)
    return answering


def find_answering_detector(
    folder: Path, named: Path | None = None, cards: Mapping[str, Card] | None = None
) -> AnsweringDetector:
    """Return the detector that answers.

    It is the named one; else the one chosen by `models use`; else the newest that was trained in
    the folder, is validated and not of the sample; else the one that comes with Telltale.

    Args:
        folder: of all saved detectors.
        named: by --model.
        cards: of the folder by name, if they were read before.

    Raises:
        PlainError: none answers, or the one that was named or chosen cannot.
    """
    if named is not None:
        return _take_named_detector(folder, named)
    if chosen := read_choice(folder):
        return _take_chosen_detector(folder, chosen)
    cards = saved_models.read_cards(folder) if cards is None else cards
    own = saved_models.select_own(folder, cards)
    validated = {name: card for name, card in own.items() if is_validated(folder / name, card)}
    ready = ready_detectors.find_ready_detectors()
    if validated:
        newest = saved_models.find_newest(validated)
        age = saved_models.rank_by_age(own[newest])
        later = {name: card for name, card in cards.items() if saved_models.rank_by_age(card) > age}
        reason = "the newest of your validated detectors"
        return AnsweringDetector(folder / newest, reason, _describe_silent(later, own))
    if ready:
        return AnsweringDetector(ready[0], READY_REASON, _describe_silent(cards, own))
    raise _make_no_answer_error(folder, cards, own)


def is_validated(folder: Path, card: Card) -> bool:
    """Return whether a detector may answer unasked: it has a report, and is not of the sample."""
    return not card.practice and has_report(folder, card)


def _take_named_detector(folder: Path, named: Path) -> AnsweringDetector:
    found = saved_models.find_detector(folder, named)
    by_dataset = "" if found.name == named.name else f", the newest trained on “{named.name}”"
    return AnsweringDetector(found, f"named with --model{by_dataset}")


def _take_chosen_detector(folder: Path, name: str) -> AnsweringDetector:
    ready = [path for path in ready_detectors.find_ready_detectors() if path.name == name]
    try:
        for path in (folder / name, *ready):
            if (path / CARD_FILE).is_file():
                read_card(path)
                return AnsweringDetector(path, f"chosen with {USE_COMMAND}")
    except console.PlainError as error:
        fault = f"it cannot answer: {error}"
    else:
        fault = "it is not there any more."
    raise console.PlainError(
        f"{name} was chosen to answer, but {fault} {CHOICE_ADVICE}", console.EXIT_BAD_MODEL
    )


def _describe_silent(cards: Mapping[str, Card], own: Mapping[str, Card]) -> str:
    """Return why the newest of these detectors does not answer; empty without one.

    Those of the sample are left out: they are for practice.
    """
    serious = {name: card for name, card in cards.items() if not card.practice}
    if not serious:
        return ""
    name = saved_models.find_newest(serious)
    if name not in own:
        return (
            f"{name} was not trained in this folder and does not answer unasked; choose it with "
            f"{USE_COMMAND} {name}, or name it with --model."
        )
    return (
        f"{name} is not validated yet and does not answer; run python -m validation --model "
        f"{name}, or name it with --model."
    )


def _make_no_answer_error(
    folder: Path, cards: Mapping[str, Card], own: Mapping[str, Card]
) -> console.PlainError:
    if not cards:
        sentence = (
            f"{folder} holds no detector. Run python -m training first, or name one with --model."
        )
    else:
        newest = saved_models.find_newest(cards)
        sentence = _describe_silent(cards, own) or (
            f"{newest} is for practice and does not answer unasked; name it with --model {newest}."
        )
    return console.PlainError(sentence, console.EXIT_BAD_MODEL)
