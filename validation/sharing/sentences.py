"""Say in sentences what passing on does to the answers."""

from runtime.terminal.counting import format_count
from training.cuts.verdicts import ABSTAIN, GENERATED, REAL
from validation.metrics.estimates import Estimate
from validation.sharing.answer_changes import AnswerChanges
from validation.sharing.results import SharingResult, SharingSummary

DIRECTIONS = {
    "generated_to_real": f"from {GENERATED} to {REAL}",
    "real_to_generated": f"from {REAL} to {GENERATED}",
    "to_abstain": f"to “{ABSTAIN}”",
    "from_abstain": f"from “{ABSTAIN}” to an answer",
    "lost_face": "because not exactly one face is found any more",
}
"""Words of each attribute of AnswerChanges but `any`, in the order of the tables."""


def describe_sharing(summary: SharingSummary) -> list[str]:
    """Return two sentences: the chain that changes the most answers, and how many images it really
    shrank."""
    worst = summary.most_changed
    if worst.changes.any.value == 0:
        return [
            f"None of {len(summary.chains)} ways of passing pictures on changes the answer to one "
            f"of {format_count(summary.images, 'image')} (at most {worst.changes.any.high:.1%} in "
            "truth)."
        ]
    return [
        f"Passed on, {summary.images:,} images change their answers most under “{worst.name}”: "
        f"{format_share(worst.changes.any)} of them, {_list_directions(worst.changes)}.",
        describe_sizes(worst, summary.images),
    ]


def describe_sizes(result: SharingResult, images: int) -> str:
    """Say how many images a chain made smaller or larger, or changed in colour."""
    return f"Of the {format_count(images, 'image')}, that changes in size: {list_sizes(result)}."


def list_sizes(result: SharingResult) -> str:
    """Return the numbers of images that a chain shrank, enlarged or took a colour profile from."""
    effects = {
        "shrunk": result.shrunk,
        "enlarged": result.enlarged,
        "without their colour profile": result.lost_profile,
    }
    counts = [f"{number:,} {effect}" for effect, number in effects.items() if number]
    return ", ".join(counts) or "none"


def format_share(share: Estimate) -> str:
    if not share.known:
        return "n/a"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _list_directions(changes: AnswerChanges) -> str:
    shares = {words: getattr(changes, name).value for name, words in DIRECTIONS.items()}
    return ", ".join(f"{share:.1%} {words}" for words, share in shares.items() if share > 0)
