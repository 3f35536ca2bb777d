"""IPTC's digital source types in words, with the origin that each points to.

Source: IPTC's NewsCodes "Digital Source Type" (of 2024-10-23).
"""

import re
from typing import Literal

ClaimedOrigin = Literal["generated", "photograph", "edited", ""]
"""The origin that a claim points to; empty for none of these."""

GENERATED, PHOTOGRAPH, EDITED = "generated", "photograph", "edited"

SOURCE_TYPE_MEANINGS: dict[str, tuple[str, ClaimedOrigin]] = {
    "trainedAlgorithmicMedia": ("made by a generative model", GENERATED),
    "compositeWithTrainedAlgorithmicMedia": (
        "put together with parts made by a generative model",
        EDITED,
    ),
    "compositeSynthetic": ("put together with synthetic parts", EDITED),
    "algorithmicMedia": ("made by an algorithm that was not trained", GENERATED),
    "digitalCapture": ("taken with a digital camera", PHOTOGRAPH),
    "computationalCapture": ("taken with a digital camera, several frames merged", PHOTOGRAPH),
    "negativeFilm": ("scanned from a negative", PHOTOGRAPH),
    "positiveFilm": ("scanned from a slide", PHOTOGRAPH),
    "print": ("scanned from a print", ""),
    "humanEdits": ("changed by a person", EDITED),
    "minorHumanEdits": ("slightly changed by a person", EDITED),
    "algorithmicallyEnhanced": ("changed by an algorithm", EDITED),
    "composite": ("put together from several pictures", EDITED),
    "compositeCapture": ("put together from several photographs", EDITED),
    "digitalCreation": ("made by a person with digital tools", ""),
    "digitalArt": ("made by a person with digital tools", ""),
    "softwareImage": ("made with software", ""),
    "dataDrivenMedia": ("made from data", ""),
    "screenCapture": ("taken from a screen", ""),
    "virtualRecording": ("recorded of a virtual scene", ""),
}
"""Term of IPTC's vocabulary -> meaning, and the origin it points to."""

SOURCE_TYPE_FIELDS = ("xmp:DigitalSourceType", "xmp:DigitalSourceFileType")


def get_source_type_term(source_type: str) -> str:
    """Return the last term of a source type, which may be a URI."""
    return re.split("[/:]", source_type.strip().rstrip("/"))[-1]


def get_source_type_meaning(source_type: str) -> tuple[str, ClaimedOrigin] | None:
    """Return the meaning of a source type and the origin it points to; None if it is unknown."""
    return SOURCE_TYPE_MEANINGS.get(get_source_type_term(source_type))
