"""The next steps follow from the card by rule, with a number and a command."""

from dataclasses import replace

import pytest

from training.cuts.cut import Cut
from training.cuts.left_out import LeftOutSource
from training.detectors.card import Card, read_card
from training.final_detector.next_steps import find_next_steps


@pytest.fixture
def card(workplace) -> Card:
    return read_card(workplace / "saved_models" / "toy")


def list_reasons(card: Card, audit_status: str = "GREEN") -> str:
    steps = find_next_steps(replace(card, audit_status=audit_status))
    assert all(step.command.startswith("python -m ") for step in steps)
    return "\n".join(map(str, steps))


def leave_out(source: str, label: int, logit: float) -> LeftOutSource:
    return LeftOutSource(
        source=source,
        label=label,
        lowest=(logit,) * 40,
        highest=(logit,) * 40,
        groups=tuple(range(40)),
        limits=(None,),
    )


def add_sources(card: Card, alarms: float, found: float) -> Card:
    """Return the card with two sources of each class left out, the second with this logit."""
    cut = Cut(target=0.05, limit=0.6, groups=50)
    calibration = replace(
        card.calibration, false_alarm_cuts=(cut,), miss_cuts=(replace(cut, limit=0.4),)
    )
    left_out = (
        leave_out("ffhq", 0, -5),
        leave_out("phones", 0, alarms),
        leave_out("sdxl", 1, 5),
        leave_out("gan", 1, found),
    )
    return replace(card, calibration=calibration, left_out=left_out)


def test_one_source_a_class_asks_for_a_second(card):
    reasons = list_reasons(card)
    assert "All photographs are of one source" in reasons
    assert "All generated images are of one generator" in reasons
    assert "python -m data_collection --real folder:PATH --dataset faces" in reasons


def test_a_ready_detector_is_fitted_to_ones_own_pictures_and_not_trained_again(card):
    calibrate, adapt = find_next_steps(replace(card, name="telltale-faces"), is_ready=True)
    assert calibrate.reason.startswith("19 photographs of yours set its false-alarm cut")
    assert adapt.command == "python -m finetuning --model telltale-faces --dataset data/mine"


def test_false_alarms_and_misses_on_sources_left_out_are_named_with_their_share(card):
    reasons = list_reasons(add_sources(card, alarms=5, found=-5))
    assert "Of 40 photographs from “phones”, left out of training, it called 100%" in reasons
    assert "Of 40 images of “gan”, left out of training, it found 0%" in reasons
    good = list_reasons(add_sources(card, alarms=-5, found=5))
    assert "left out of training" not in good and "one source" not in good


def test_a_lost_comparison_a_bad_audit_and_a_small_hold_out_are_steps(card):
    name, baseline = next((n, b) for n, b in card.baselines.items() if b.file)
    worse = replace(card.metrics, auc=card.metrics.auc - 0.1)
    losing = replace(card, metrics=worse, baselines={name: replace(baseline, metrics=card.metrics)})
    assert f"it loses to “{name}”" in list_reasons(losing)
    assert "loses to" not in list_reasons(replace(card, baselines={}))
    assert "The audit says AMBER" in list_reasons(card, "AMBER")
    assert "The hold-out has 6 photographs" in list_reasons(card)
    assert "60 are needed to confirm 5%" in list_reasons(card)


def test_a_practice_detector_asks_for_faces_and_nothing_else(card):
    (step,) = find_next_steps(replace(card, practice=True, audit_status="RED"))
    assert step.command == "python -m data_collection"


def test_a_missing_cut_says_how_many_images_it_needs(card):
    few = Cut(target=0.05, groups=12)
    calibration = replace(card.calibration, false_alarm_cuts=(few,))
    reasons = list_reasons(replace(card, calibration=calibration))
    assert "It never answers generated: collect 7 more independent photographs" in reasons
