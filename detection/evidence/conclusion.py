"""Say in one sentence what the checks of a page of evidence come to, and choose the exit code."""

from collections.abc import Sequence

from detection.evidence.build import list_versions
from detection.evidence.checks import Check
from detection.evidence.read import EXIT_DOES_NOT_HOLD
from detection.evidence.record import EvidenceRecord
from runtime import console

FINDINGS = {
    ("record", "shown text"): "it was changed after it was written",
    (
        "picture",
    ): "the picture is another file than it is about (altered, encoded again or swapped)",
    ("detector", "its model", "its card"): "it was made with another detector",
    (
        *("file", "thumbnail", "verdict", "probability", "faces", "cuts", "calibration"),
        *("worth", "warnings", "claims", "limits", "all values"),
    ): "figures or sentences do not repeat",
}
"""The meaning of each check that may differ."""

OBSTACLES = {
    "shown text": "another version of Telltale laid it out, so its text could not be compared with "
    "its record",
    "detector": "its detector is not here; name it with --model if it is elsewhere",
    "options": "its calibration or cuts are not here, so its verdict could not be repeated",
}
"""The reason for each check that may not be possible."""

NO_PROOF_SENTENCE = (
    "That does not prove who made the page, or when: anyone can make one, and its date, the file's "
    "name and the versions are not checked."
)


def find_exit_code(checks: Sequence[Check]) -> int:
    """Return 0 if all checks hold; 8 if only the detector is missing."""
    if all(check.state == "holds" for check in checks):
        return 0
    differ = any(check.state == "differs" for check in checks)
    is_missing = any(check.name == "detector" and check.state == "not checked" for check in checks)
    return console.EXIT_BAD_MODEL if is_missing and not differ else EXIT_DOES_NOT_HOLD


def conclude(checks: Sequence[Check], said: EvidenceRecord) -> str:
    """Return what the checks come to."""
    differing = [check.name for check in checks if check.state == "differs"]
    unchecked = [check.name for check in checks if check.state == "not checked"]
    if not differing and not unchecked:
        return (
            "The page holds: it is as it was written, and its figures repeat with this picture and "
            f"detector. {NO_PROOF_SENTENCE}"
        )
    reasons = [
        meaning for names, meaning in FINDINGS.items() if not set(names).isdisjoint(differing)
    ]
    reasons += [obstacle for name, obstacle in OBSTACLES.items() if name in unchecked]
    start = "does not hold" if differing else "could not be checked whole"
    return f"The page {start}: {'; '.join(reasons)}.{_explain_versions(said)}"


def _explain_versions(said: EvidenceRecord) -> str:
    """Return which versions are others than those of the page."""
    here = list_versions()
    others = [
        f"{name} {version} (here {here.get(name, 'none')})"
        for name, version in sorted(said.versions.items())
        if here.get(name) != version
    ]
    return f" It says that it was made with {', '.join(others)}." if others else ""
