"""Groups in which `--help` shows options; each is declared beside its option: `Basic[int]`."""

from dataclasses import dataclass
from typing import Annotated, Optional, TypeVar

import tyro

Value = TypeVar("Value")


@dataclass(frozen=True)
class OptionGroup:
    """Group of options.

    Attributes:
        position: in the help; groups of the same position stand as their options do.
    """

    title: str
    position: int = 1


@dataclass(frozen=True)
class Metavar:
    """Word for the value of an option in `--help`, where that of its type says too little."""

    word: str


Basic = Annotated[Value, OptionGroup("Basic options", position=0)]
Output = Annotated[Value, OptionGroup("Output")]
Verdict = Annotated[Value, OptionGroup("Verdict")]
Advanced = Annotated[Value, OptionGroup("Advanced options", position=2)]
Cluster = Annotated[Value, OptionGroup("GPU and cluster", position=3)]
Folders = Annotated[Value, OptionGroup("Folders", position=4)]

# tyro checks some types with typeguard, whose import is a tenth of the time that one image takes
# from a cold start. It needs none for these.
OrNone = Optional[Value]  # noqa: UP045
Paths = Annotated[
    tuple,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="PATH",
        instance_from_str=tuple,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=list,
    ),
]
"""Any number of paths; each is a str."""
