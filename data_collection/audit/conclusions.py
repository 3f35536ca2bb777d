"""Conclude from the probes: a status, and sentences that say no more than was tested."""

from collections.abc import Sequence
from typing import Literal, get_args

from data_collection.audit.probes import (
    HISTORY_TIER,
    INFORMATION_TIER,
    MIN_GROUPS_FOR_GREEN,
    MIN_IMAGES_FOR_GREEN,
    NUISANCE_TIER,
    PROCESSING_TIER,
    ProbeResult,
    format_probes,
)

AuditStatus = Literal["RED", "too few", "AMBER", "GREEN"]
"""From worst to best."""

SHORTCUT_REMEDY = (
    "Collect both classes in the same way (same sizes, same formats, nothing enlarged; originals "
    "at least twice as large as the images trained on erase most of it), or train anyway with "
    "--accept-shortcuts, which every report will state."
)
NEAR_PERFECT_SENTENCE = (
    "One simple property nearly decides the label, so a detector need not learn anything else: "
    "{probes}."
)
HISTORY_SENTENCES: dict[str, str] = {
    "RED": "In what training sees, the label can be told without a look at the face: {probes}. "
    + SHORTCUT_REMEDY,
    "AMBER": "Whether these tell the label is open: {probes}. Collect more images to decide.",
    "too few": "There is too little data to say that nothing tells the label: one class has "
    "{images} images in {groups} groups; "
    f"{MIN_IMAGES_FOR_GREEN} images in {MIN_GROUPS_FOR_GREEN} groups are needed. Collect more.",
}
PROCESSING_SENTENCE = (
    "The classes differ in what processing does to images, which may be a trace of the generator "
    "or the work of who published them, and a detector learns either: {probes}."
)
NOTHING_FOUND_SENTENCE = (
    "No probe of processing or history separates the classes. Tested were {names}, on "
    "{images} images or more of each class; what they do not measure may still tell the label."
)
REMOVED_SHORTCUT_SENTENCE = (
    "As collected, the files do tell the label: {probes}. These probes do not find that in what "
    "training sees, where both classes went through the same preparation."
)
CONTENT_DIFFERENCE_SENTENCE = (
    "The images also differ in simple properties, which a detector has to beat to have learnt "
    "anything more: {probes}."
)


def decide_audit_status(probes: Sequence[ProbeResult]) -> AuditStatus:
    """Return the worst status of any probe; "too few" if there is none of Tier 1."""
    statuses = {probe.status for probe in probes}
    return next((status for status in get_args(AuditStatus) if status in statuses), "too few")


def explain_audit_status(
    as_collected: Sequence[ProbeResult],
    gate_probes: Sequence[ProbeResult],
    images: dict[str, int],
    groups: dict[str, int],
) -> str:
    """Return sentences that name every probe which found something, the gravest first.

    Args:
        gate_probes: of what training sees, placebo probes and confirmations included.
        images, groups: numbers by label.
    """
    status = decide_audit_status(gate_probes)
    history_status = decide_audit_status([p for p in gate_probes if p.tier == HISTORY_TIER])
    smallest = {"images": min(images.values()), "groups": min(groups.values())}
    found = {
        NEAR_PERFECT_SENTENCE: _select(gate_probes, NUISANCE_TIER, "AMBER"),
        HISTORY_SENTENCES.get(history_status, ""): _select(
            gate_probes, HISTORY_TIER, history_status
        ),
        PROCESSING_SENTENCE: _select(gate_probes, PROCESSING_TIER, "AMBER"),
        REMOVED_SHORTCUT_SENTENCE: _select(as_collected, HISTORY_TIER, "RED")
        if status != "RED"
        else [],
        CONTENT_DIFFERENCE_SENTENCE: _select(gate_probes, NUISANCE_TIER, "WARN"),
    }
    sentences = [
        sentence.format(probes=format_probes(probes), **smallest)
        for sentence, probes in found.items()
        if probes and sentence
    ]
    if status == "GREEN":
        tested = [probe.name for probe in gate_probes if probe.tier < INFORMATION_TIER]
        sentences.insert(
            0, NOTHING_FOUND_SENTENCE.format(names=", ".join(tested), images=smallest["images"])
        )
    elif not gate_probes:
        sentences.insert(0, HISTORY_SENTENCES["too few"].format(**smallest))
    return " ".join(sentences)


def _select(probes: Sequence[ProbeResult], tier: int, status: str) -> list[ProbeResult]:
    """Return the probes of one tier and status, the one that separates best first."""
    chosen = [probe for probe in probes if (probe.tier, probe.status) == (tier, status)]
    return sorted(chosen, key=lambda probe: -probe.auc)
