"""Requirement: something a source needs before it can start, such as a package, a model, an API key
or free disk space."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """Something a source needs before it can start, for the table that is shown first.

    Attributes:
        what: in a few words ("OPENAI_API_KEY", "the model SG161222/Realistic_Vision_V1.4").
        there: whether it is there; False stops the run before anything has started.
        found: what was found ("set", "not in the cache, the hub answers", "69 GB free", "about 2
            hours on this GPU").
        instead: the option that does without it.
    """

    what: str
    there: bool
    found: str
    instead: str = ""
