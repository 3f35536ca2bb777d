"""Numbers with their nouns, for sentences: "1 image", "1,234 images"."""


def format_count(number: int, noun: str) -> str:
    """Return the number and its noun; the plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def choose_verb(number: int, singular: str, plural: str) -> str:
    """Return the form of a verb, or of a pronoun, that goes with so many."""
    return singular if number == 1 else plural
