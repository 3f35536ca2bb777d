"""Warn of sources that may be one under two names."""

from collections.abc import Iterable

from runtime import console


def warn_of_similar_names(sources: Iterable[tuple[str, str]]) -> None:
    """Print a warning for sources of a class whose names differ in case and punctuation alone.

    A detector without one of them is said not to be trained on it, but knows the other.

    Args:
        sources: label and name of each.
    """
    names_by_letters: dict[tuple[str, str], set[str]] = {}
    for label, name in sources:
        letters = "".join(filter(str.isalnum, name.casefold()))
        names_by_letters.setdefault((label, letters), set()).add(name)
    for names in names_by_letters.values():
        if len(names) > 1:
            console.print_warning(
                f"{' and '.join(sorted(names))} count as different sources. If they are one, "
                "collect them under one name, or the figures on sources left out of training will "
                "be wrong."
            )
