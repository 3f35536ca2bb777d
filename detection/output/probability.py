"""Describe the probability of an answer in a sentence."""

from detection.detections import Detection
from training.cuts.verdicts import ABSTAIN, GENERATED


def describe_probability(detection: Detection) -> str:
    """Return the probability in a sentence, with its spread where that can be seen, the faces it
    is about where there are several, and what the answer is."""
    low, high = _format_percent(detection.low), _format_percent(detection.high)
    spread = "" if low == high else f" ({low} to {high} by JPEG quality)"
    subject, count = "The probability of", len(detection.faces or ())
    if count > 1:
        subject = f"Of the {count} faces that were judged, face {detection.most_suspicious + 1} is "
        subject += "the most suspicious one: its probability of"
    probability = (
        f"{subject} “{GENERATED}” is {_format_percent(detection.probability)}, if half of "
        f"all images were{spread}."
    )
    if detection.verdict == ABSTAIN:
        return f"{probability} That is not enough for an answer."
    return f"{probability} This is an opinion, not proof."


def _format_percent(probability: float) -> str:
    """Format a probability, without rounding it to 0% or 100%."""
    if probability > 0.99:
        return "over 99%"
    return "under 1%" if probability < 0.01 else f"{probability:.0%}"
