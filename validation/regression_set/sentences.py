"""Say in sentences how a detector does on the pictures that came back."""

from runtime.terminal.counting import choose_verb, format_count
from validation.regression_set.scoring import RescoredSet

CHOSEN_BECAUSE_WRONG = (
    "Pictures are kept because an answer about them was wrong, so this share is not an accuracy: "
    "it says whether the detector has learnt from its mistakes."
)


def describe_rescored(rescored: RescoredSet) -> list[str]:
    """Return how many are right now and were before, and how many were left out."""
    n_pictures, before = (
        len(rescored.pictures),
        sum(each.picture.was_right for each in rescored.pictures),
    )
    sentences = []
    if n_pictures:
        sentences.append(
            f"Of {format_count(n_pictures, 'picture')} that came back, {rescored.right:,} "
            f"{choose_verb(rescored.right, 'is', 'are')} answered rightly now, {before:,} before. "
            f"{CHOSEN_BECAUSE_WRONG}"
        )
    if rescored.from_training:
        sentences.append(
            f"{format_count(rescored.from_training, 'picture')} that came back "
            f"{choose_verb(rescored.from_training, 'was', 'were')} left out: the detector was "
            "trained on "
            f"{choose_verb(rescored.from_training, 'it', 'them')} or on near-duplicates."
        )
    if rescored.from_training_unknown:
        sentences.append(
            f"{rescored.from_training_unknown}, so it may have been trained on some of them."
        )
    if rescored.not_scored:
        name, reason = rescored.not_scored[0]
        count = len(rescored.not_scored)
        sentences.append(
            f"{format_count(count, 'picture')} that came back "
            f"{choose_verb(count, 'was', 'were')} not scored, such as {name}: {reason}."
        )
    return sentences
