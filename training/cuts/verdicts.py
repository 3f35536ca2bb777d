"""The three verdicts and their words, in one table for the terminal, pages, reports and JSON."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Verdict = Literal["generated", "real", "can't tell"]

GENERATED: Verdict = "generated"
REAL: Verdict = "real"
ABSTAIN: Verdict = "can't tell"

NOT_JUDGED = "not judged"
"""For an image without a verdict."""


@dataclass(frozen=True)
class VerdictWords:
    """The words of one verdict; the verdict itself is its name wherever one word is enough.

    Attributes:
        headline: on pages, where the verdict stands alone and in large letters.
        predicate: after "12 photographs", as in the names of metrics.
        tone: class in style sheets.
    """

    headline: str
    predicate: str
    tone: Literal["generated", "real", "abstain"]


VERDICTS = MappingProxyType(
    {
        GENERATED: VerdictWords("Looks generated", f"called {GENERATED}", "generated"),
        REAL: VerdictWords("Looks real: no known trace of a generator", f"called {REAL}", "real"),
        ABSTAIN: VerdictWords("Can't tell", f"answered {ABSTAIN}", "abstain"),
    }
)
"""In the order in which counts are printed."""

REAL_EXPLANATION = (
    f"“{REAL.capitalize()}” means that no known trace of a generator was found, not that the image "
    "is a photograph."
)
