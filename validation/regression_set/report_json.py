"""The pictures that came back, as metrics.json has them: without their names and notes."""

from typing import Any

from validation.regression_set.scoring import RescoredPicture, RescoredSet
from validation.regression_set.sentences import CHOSEN_BECAUSE_WRONG


def build_came_back_json(rescored: RescoredSet) -> dict[str, Any]:
    """Return counts, and every picture by its hash with the answers before and now."""
    return {
        "note": CHOSEN_BECAUSE_WRONG,
        "right": rescored.right,
        "kinds": rescored.kinds,
        "pictures": [_build_picture_json(each) for each in rescored.pictures],
        "left_out_because_trained_on": rescored.from_training,
        "trained_on_unknown_reason": rescored.from_training_unknown,
        "not_scored": [
            {"sha256": sha256, "reason": reason} for sha256, reason in rescored.not_scored
        ],
    }


def _build_picture_json(each: RescoredPicture) -> dict[str, Any]:
    picture = each.picture
    return {
        "sha256": picture.sha256,
        "truth": picture.truth,
        "kind": picture.kind,
        "kept": picture.added,
        "before": {
            "detector": picture.detector,
            "detector_sha256": picture.detector_sha256,
            "verdict": picture.verdict,
            "probability": picture.probability,
        },
        "now": {"verdict": each.verdict, "probability": each.probability},
    }
