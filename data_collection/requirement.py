"""Requirement: what a source needs before it starts, such as a package, a model or disk space."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One requirement of a source, a row of the table printed before anything starts.

    Attributes:
        name: in a few words ("OPENAI_API_KEY", "the model SG161222/Realistic_Vision_V1.4").
        met: whether it is met; False stops the run before anything has started.
        status: the current state ("set", "not in the cache, the hub answers", "69 GB free",
            "about 2 hours on this GPU").
        alternative: the option that avoids the requirement.
        download_bytes: what has to be downloaded for it.
        seconds: estimate of the time that it takes; None if that is unknown.
    """

    name: str
    met: bool
    status: str
    alternative: str = ""
    download_bytes: int = 0
    seconds: float | None = 0.0
