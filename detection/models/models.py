"""List the saved detectors in a table, and choose the one that answers."""

from collections.abc import Sequence
from pathlib import Path

from detection.models import answering, choice
from detection.models.answering import AnsweringDetector
from detection.models.settings import ModelsSettings, UseSettings
from runtime import console
from training.cuts.left_out import AnswerCounts, count_left_out_answers, pool_generated_share
from training.detectors import own_detectors, ready_detectors, saved_models
from training.detectors.card import Card, read_card

TABLE_COLUMNS = (
    *("detector", "base", "created", "state"),
    *("false alarms, left out", "found, left out", "answers"),
)


def list_detectors(settings: ModelsSettings) -> None:
    """Print a table of the detectors in a folder and of the ready ones.

    Raises:
        PlainError: there is none.
    """
    folder = settings.saved_models
    saved = saved_models.read_cards(folder)
    cards = {folder / name: saved[name] for name in _sort_by_age(saved)}
    cards |= {path: read_card(path) for path in ready_detectors.find_ready_detectors()}
    try:
        answer, fault = answering.find_answering_detector(folder, cards=saved), ""
    except console.PlainError as error:
        if not cards:
            raise
        answer, fault = None, str(error)
    rows = [_make_row(path, card, answer) for path, card in cards.items()]
    console.print_table("", TABLE_COLUMNS, rows)
    if answer:
        console.print_message(f"{answer.folder.name} answers ({answer.reason}).")
    if note := fault or answer.note:
        console.print_message(note)


def _sort_by_age(cards: dict[str, Card]) -> list[str]:
    return sorted(cards, key=lambda name: saved_models.rank_by_age(cards[name]), reverse=True)


def _make_row(path: Path, card: Card, answer: AnsweringDetector | None) -> list[str]:
    calibration = card.calibration
    counts = count_left_out_answers(card.left_out, calibration, calibration.point)
    answers = answer is not None and answer.folder.resolve() == path.resolve()
    return [
        path.name,
        card.base_names,
        card.created[:10],
        _describe_state(path, card),
        *(_format_share([row for row in counts if row.label == label]) for label in (0, 1)),
        "yes" if answers else "",
    ]


def _describe_state(path: Path, card: Card) -> str:
    if card.practice:
        return "practice"
    if ready_detectors.is_ready_detector(path):
        return "comes with Telltale"
    if not own_detectors.was_trained_here(path):
        return "from elsewhere"
    return "validated" if answering.is_validated(path, card) else "not validated"


def _format_share(rows: Sequence[AnswerCounts]) -> str:
    if not rows:
        return "not measured"
    return f"{pool_generated_share(rows):.0%} of {sum(row.images for row in rows):,}"


def use_detector(settings: UseSettings) -> None:
    """Choose the detector that answers, or none, and print which one answers now.

    Raises:
        PlainError: there is no such detector, it is damaged, or it lies elsewhere.
    """
    folder = settings.saved_models
    if settings.none:
        choice.clear_choice(folder)
    else:
        found = saved_models.find_detector(folder, Path(settings.name))
        is_ready = ready_detectors.is_ready_detector(found)
        if not is_ready and found.resolve().parent != folder.resolve():
            raise console.PlainError(
                f"{found} is not in {folder}, so it cannot be chosen. Move it there, or name it "
                "with --model."
            )
        saved_models.read_verified_model(found, read_card(found), saved_models.ONNX_FILE)
        choice.write_choice(folder, found.name)
    try:
        answer = answering.choose_detector(folder, None)
    except console.PlainError as error:  # the choice is made all the same
        console.print_message(str(error))
    else:
        console.print_message(f"{answer.folder.name} answers now ({answer.reason}).")
