"""Say what to do next about the weaknesses of a detector, by rule: a number and a command each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime import console
from runtime.terminal.counting import format_count
from training.cuts.cut import count_needed_groups, format_share
from training.cuts.left_out import AnswerCounts, count_left_out_answers
from training.detectors.card import Card

MIN_FOUND_SHARE = 0.5
"""A generator left out of which less than this share is found needs images of its own."""

MAX_ALARM_FACTOR = 2
"""A source left out with more false alarms than so many times the target needs more sources."""

CONFIRMING_IMAGES = 3
"""With no error among so many images over the target, its upper 95% limit is the target (the rule
of three)."""


@dataclass(frozen=True)
class NextStep:
    """A weakness with its number, and a command that does something about it."""

    reason: str
    command: str

    def __str__(self) -> str:
        return f"{self.reason} {self.command}"


def find_next_steps(card: Card, is_ready: bool = False) -> list[NextStep]:
    """Return what to do about the weaknesses that the card shows, the most important first.

    Args:
        is_ready: whether the detector comes with Telltale, so that its user can add no images to
            its training.
    """
    if is_ready:
        return list(_make_own_use_steps(card))
    if card.practice:
        command = "python -m data_collection"
        return [NextStep("A practice detector has no further use. Collect faces:", command)]
    return [
        *_check_audit(card),
        *_check_baselines(card),
        *_check_cuts(card),
        *_check_left_out_sources(card),
        *_check_hold_out(card),
    ]


def _make_own_use_steps(card: Card) -> Iterator[NextStep]:
    yield NextStep(
        f"{count_needed_groups(card.calibration.false_alarms):,} photographs of yours set its "
        "false-alarm cut for photographs like them:",
        "python -m detection calibrate --real folder:mine",
    )
    yield NextStep(
        f"Pictures of yours (python -m data_collection --crop {card.crop} --dataset mine) adapt it "
        "to them:",
        f"python -m finetuning --model {card.name} --dataset data/mine",
    )


def print_next_steps(steps: Sequence[NextStep]) -> None:
    """Print a heading and the steps; nothing if there are none."""
    if not steps:
        return
    console.print_heading("What to do next")
    for step in steps:
        console.print_message(str(step))


def _make_collection_command(card: Card, *words: str) -> str:
    name = Path(card.dataset.folder).name
    return " ".join(["python -m data_collection", *words, f"--dataset {name}"])


def _check_audit(card: Card) -> Iterator[NextStep]:
    if card.audit_status in ("", "GREEN"):
        return
    images = card.dataset.images
    fewest = min(
        sum(part[label] for part in images.values()) for label in next(iter(images.values()))
    )
    yield NextStep(
        f"The audit says {card.audit_status}, with {fewest:,} images in the smaller class. Read "
        "its page, and collect again from other sources or more images:",
        _make_collection_command(card, "--real folder:PATH", "--generated folder:PATH"),
    )


def _check_baselines(card: Card) -> Iterator[NextStep]:
    better = [
        (baseline.metrics.auc, name)
        for name, baseline in card.baselines.items()
        if baseline.file and baseline.metrics.auc > card.metrics.auc
    ]
    if not better or card.search.finetuning:
        return
    auc, name = max(better)
    fewest = min(card.dataset.images["train"].values())
    yield NextStep(
        f"On the validation images it loses to “{name}” (AUC {card.metrics.auc:.4f} against "
        f"{auc:.4f}). {fewest:,} training images of a class are few; collect more:",
        _make_collection_command(card, "--real folder:PATH", "--generated folder:PATH"),
    )


def _check_cuts(card: Card) -> Iterator[NextStep]:
    point = card.calibration.point
    for cut, answer, images, option in (
        (point.false_alarm_cut, "generated", "photographs", "--real"),
        (point.miss_cut, "real", "generated images", "--generated"),
    ):
        missing = count_needed_groups(cut.target) - cut.groups
        if missing > 0:
            yield NextStep(
                f"It never answers {answer}: collect {missing:,} more independent {images}:",
                _make_collection_command(card, f"{option} folder:PATH"),
            )


def _check_left_out_sources(card: Card) -> Iterator[NextStep]:
    if card.search.finetuning:  # its refits would be fine-tunings; it has none
        return
    calibration = card.calibration
    counts = count_left_out_answers(card.left_out, calibration, calibration.point)
    real, generated = ([row for row in counts if row.label == label] for label in (0, 1))
    command = _make_collection_command(card, "--real folder:PATH")
    yield from _check_second_source(
        real, "photographs are of one source: its false alarms on others are not known", command
    )
    worst = max(real, key=lambda row: row.generated_share, default=None)
    if worst and worst.generated_share > MAX_ALARM_FACTOR * calibration.false_alarms:
        yield NextStep(
            f"Of {format_count(worst.images, 'photograph')} from “{worst.source}”, left out of "
            "training, it "
            f"called {worst.generated_share:.0%} generated. Add sources of photographs like those "
            "that you will judge:",
            command,
        )
    command = _make_collection_command(card, "--generated folder:PATH")
    yield from _check_second_source(
        generated, "generated images are of one generator: nobody knows if it finds others", command
    )
    worst = min(generated, key=lambda row: row.generated_share, default=None)
    if worst and worst.generated_share < MIN_FOUND_SHARE:
        yield NextStep(
            f"Of {format_count(worst.images, 'image')} of “{worst.source}”, left out of training, "
            "it found "
            f"{worst.generated_share:.0%}: it does not find generators that it was not trained "
            "on. Add images of every generator that matters:",
            command,
        )


def _check_second_source(
    counts: Sequence[AnswerCounts], weakness: str, command: str
) -> Iterator[NextStep]:
    if not counts:
        yield NextStep(f"All {weakness}. Add a second one:", command)


def _check_hold_out(card: Card) -> Iterator[NextStep]:
    target = card.calibration.false_alarms
    n_photographs = card.dataset.images["hold-out"]["real"]
    n_needed = round(CONFIRMING_IMAGES / target)
    if n_photographs < n_needed:
        yield NextStep(
            f"The hold-out has {format_count(n_photographs, 'photograph')}; even without an error, "
            f"{n_needed:,} are needed to confirm {format_share(target)}. Collect more, or test on "
            "others:",
            "python -m validation --data PATH --label real",
        )
