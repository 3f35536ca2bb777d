"""Find facts of the files that one class has and the other lacks, colour among them."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from data_collection.audit.file_features import FeatureValues
from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord

CLASS_PLURALS = {"real": "photographs", "generated": "generated images"}

FILE_FACT_PHRASES = {
    "format": "are {} files",
    "mode": "have the colour mode {}",
    "pixels": "measure {} pixels",
    "table": "have the JPEG quantisation table {}",
    "sampling": "have the JPEG chroma sampling {}",
    "progressive": "are coded progressively",
    "exif": "carry EXIF data",
    "icc": "carry a colour profile",
    "xmp": "carry XMP data",
    "c2pa": "carry content credentials (C2PA)",
    "text": "carry text",
    "frames": "have several frames",
}
"""Phrases for the categories of `file_features.measure_container`."""

ABSENT_FACT_VALUES = ("no", "none")
MIN_SHARE_DIFFERENCE, MIN_EXCLUSIVE_SHARE = 0.5, 0.05
"""A fact is reported if its shares in the two classes differ by at least the first, or if only one
class has it and its share exceeds the second."""


COLOUR_DIFFERENCE = "difference between channels"
MAX_GREY_DIFFERENCE = 0.5
"""Mean difference between the channels of a grey image, in levels; rounding leaves some."""


def find_grey_class(colours: Sequence[FeatureValues], rows: Sequence[FaceRecord]) -> list[str]:
    """Return a sentence if all images of one class are grey and not all of the other.

    Args:
        colours: features of the originals by `pixel_features.measure_colour`.
    """
    grey, total = Counter(), Counter(row.label for row in rows)
    for values, row in zip(colours, rows, strict=True):
        grey[row.label] += values[COLOUR_DIFFERENCE] <= MAX_GREY_DIFFERENCE
    wholly = [label for label in manifest.LABELS if total[label] and grey[label] == total[label]]
    if len(wholly) != 1 or len(total) < len(manifest.LABELS):
        return []
    label = wholly[0]
    other = next(name for name in manifest.LABELS if name != label)
    rest = f"{grey[other]} of {total[other]}" if grey[other] else "none"
    return [
        f"All {total[label]} {CLASS_PLURALS[label]} are grey, {rest} of the "
        f"{CLASS_PLURALS[other]}: colour alone tells them apart, also in what training sees."
    ]


def find_file_differences(
    containers: Sequence[FeatureValues], rows: Sequence[FaceRecord]
) -> list[str]:
    """Return facts of the files that one class has and the other (almost) lacks, as sentences.

    The largest difference comes first.
    """
    counts: dict[tuple[str, str], Counter] = defaultdict(Counter)
    total = Counter(row.label for row in rows)
    for facts, row in zip(containers, rows, strict=True):
        for name, value in facts.items():
            if isinstance(value, str) and value not in ABSENT_FACT_VALUES:
                counts[name, value][row.label] += 1
    differences = []
    for (name, value), count in counts.items():
        share = {label: count[label] / max(total[label], 1) for label in manifest.LABELS}
        more, less = sorted(manifest.LABELS, key=share.get, reverse=True)
        if share[more] - share[less] >= MIN_SHARE_DIFFERENCE or (
            share[more] > MIN_EXCLUSIVE_SHARE and not share[less]
        ):
            differences.append((share[less] - share[more], name, value, more, less, share))
    return [
        f"{share[more]:.0%} of the {CLASS_PLURALS[more]} "
        f"{FILE_FACT_PHRASES[name].format(value)}, {share[less]:.0%} of the {CLASS_PLURALS[less]}."
        for _, name, value, more, less, share in sorted(differences, key=lambda row: row[:3])
    ]
