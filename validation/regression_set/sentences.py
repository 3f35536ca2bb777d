"""Say in sentences how a detector does on the pictures that came back."""

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
            f"Of {_count(n_pictures, 'picture')} that came back, {rescored.right:,} "
            f"{'is' if rescored.right == 1 else 'are'} answered rightly now, {before:,} before. "
            f"{CHOSEN_BECAUSE_WRONG}"
        )
    if rescored.from_training:
        sentences.append(
            f"{_count(rescored.from_training, 'picture')} that came back "
            f"{_was(rescored.from_training)} left out: the detector was trained on "
            f"{'it' if rescored.from_training == 1 else 'them'} or on near-duplicates."
        )
    if rescored.from_training_unknown:
        sentences.append(
            f"{rescored.from_training_unknown}, so it may have been trained on some of them."
        )
    if rescored.not_scored:
        name, reason = rescored.not_scored[0]
        count = len(rescored.not_scored)
        sentences.append(
            f"{_count(count, 'picture')} that came back {_was(count)} not scored, such as {name}: "
            f"{reason}."
        )
    return sentences


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
