"""audit.html: one page, complete in itself, about what a data set holds and whether its label can be told without the face.

It asks for nothing over the network and runs no script. All that strangers wrote (file names, prompts, sources) is escaped.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import (
    audit_probes,
    data_looks,
    data_pictures,
    duplicates,
    face_images,
    figures_of_duplicates,
    manifest,
    pages,
    splits,
)
from data_collection.audit import Audit
from data_collection.audit_probes import Probe
from data_collection.data_looks import LOOKED_AT
from data_collection.figures import Picture
from data_collection.manifest import LABELS, FaceRecord

TEMPLATE = "data_report.html.jinja"

MEANING = {
    1: "Must be at chance. Facts of the file, and of what was done to it before; in a new picture they are no evidence at all.",
    2: "Nuisance. What was photographed or drawn, how it is lit and framed. A detector has to do clearly better than these.",
    3: "For information. Fine statistics of the pixels, where generators leave their traces: evidence, or one more nuisance.",
}
VERDICTS = {
    "GREEN": ("good", f"surely under {audit_probes.CHANCE:.2f}"),
    "AMBER": ("doubt", f"perhaps above {audit_probes.CHANCE:.2f}"),
    "RED": ("bad", f"surely above {audit_probes.CHANCE:.2f}: a shortcut"),
    "WARN": ("doubt", f"surely above {audit_probes.WARNING:.2f}"),
    "too few": ("unknown", f"under {audit_probes.FEWEST_GROUPS} groups or {audit_probes.FEWEST_IMAGES} images in a class"),
    "reported": ("unknown", "told, not judged"),
}
"""How each verdict is coloured, and what it says of the 95% interval."""

MOST_VALUES, MOST_PROMPTS, LONGEST = 12, 5, 300
"""Values of an attribute, example prompts, and characters of a text that are shown."""


@dataclass(frozen=True)
class SourceRow:
    """What one source gave.

    Attributes:
        refused: reason and number, the most frequent first.
        parts: accepted images by split.
    """

    label: str
    name: str
    found: int
    accepted: int
    refused: list[tuple[str, int]]
    groups: int
    parts: dict[str, int]


@dataclass(frozen=True)
class Tier:
    """Probes of one tier: name, as collected, as trained."""

    number: int
    meaning: str
    rows: list[tuple[str, Probe | None, Probe | None]]


@dataclass(frozen=True)
class Tally:
    """How often each value occurs; `others` values that are rarer still are left out."""

    name: str
    values: list[tuple[str, int]]
    others: int


@dataclass(frozen=True)
class Making:
    """How the images of one source were made: settings and versions, and some of the prompts."""

    source: str
    images: int
    facts: list[tuple[str, str]]
    prompts: list[str]


def write(folder: Path, records: Sequence[FaceRecord], audit: Audit, drawn: Sequence[Picture] | None = None) -> Path:
    """Writes the page of the data set in `folder` and returns its path.

    Args:
        drawn: what `data_pictures.pictures` returned, if it has been called already.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    drawn = data_pictures.pictures(folder, records) if drawn is None else drawn
    path = folder / "audit.html"
    # A file name that is no UTF-8 holds surrogates, which cannot be encoded.
    manifest.write_whole(path, page(folder.absolute().name, records, audit, drawn).encode(errors="replace"))
    return path


def page(name: str, records: Sequence[FaceRecord], audit: Audit, drawn: Sequence[Picture]) -> str:
    seen = manifest.accepted(records, *LOOKED_AT)
    return pages.template(Path(__file__).parent, TEMPLATE).render(
        name=name,
        audit=audit,
        labels=LABELS,
        tiers=tiers(audit),
        sources=source_rows(records),
        parts=_parts(records),
        doubles=double_counts(records),
        places=split_counts(records),
        members=group_sizes(records),
        attributes=attribute_tallies(seen),
        makings=makings(seen),
        pictures={picture.name: picture for picture in drawn},
        verdicts=VERDICTS,
        chance=audit_probes.CHANCE,
        near=duplicates.NEAR,
        most=data_pictures.MOST,
        window=data_looks.WINDOW,
        canonicaliser=face_images.CANONICALISER_VERSION,
    )


def source_rows(records: Sequence[FaceRecord]) -> list[SourceRow]:
    rows = []
    for label, name in sorted(
        {(record.label, record.source) for record in records}, key=lambda key: (LABELS.index(key[0]), key)
    ):
        mine = [record for record in records if (record.label, record.source) == (label, name)]
        kept = [record for record in mine if record.accepted]
        refused = Counter(_family(record.reason) for record in mine if not record.accepted).most_common()
        groups = len({record.group for record in kept})
        rows.append(SourceRow(label, name, len(mine), len(kept), refused, groups, dict(Counter(r.split for r in kept))))
    return rows


def _family(reason: str) -> str:
    """A reason without what is different for every image."""
    return "duplicate" if reason.startswith("duplicate") else reason.partition(":")[0]


def _parts(records: Iterable[FaceRecord]) -> list[str]:
    used = {record.split for record in records if record.accepted}
    return [*splits.SPLITS, *({splits.QUARANTINE} & used)]


def tiers(audit: Audit) -> list[Tier]:
    """Puts each probe as collected beside the same one as trained; either may be absent."""
    probes = [{probe.name: probe for probe in side} for side in (audit.as_collected, audit.as_trained)]
    found: dict[int, list] = {}
    for name in dict.fromkeys(itertools.chain(*probes)):
        pair = tuple(side.get(name) for side in probes)
        found.setdefault(next(probe for probe in pair if probe).tier, []).append((name, *pair))
    return [Tier(number, MEANING.get(number, ""), found[number]) for number in sorted(found)]


def double_counts(records: Sequence[FaceRecord]) -> list[tuple[str, int]]:
    """Exact copies that were left out, and near-duplicates that are kept together."""
    reasons = Counter(_family(record.reason) for record in records if not record.accepted)
    groups = figures_of_duplicates.near_groups(records)
    return [
        ("exact copies, left out", reasons["duplicate"]),
        ("images offered under both labels, left out", reasons["both labels"]),
        ("groups of near-duplicates, each kept in one split", len(groups)),
        ("images in these groups", sum(map(len, groups))),
        ("groups that hold both classes", sum(len({record.label for record in group}) > 1 for group in groups)),
    ]


def split_counts(records: Sequence[FaceRecord]) -> list[tuple[str, str, int, int]]:
    """Groups and images of each split and class."""
    rows = []
    for part, label in itertools.product(_parts(records), LABELS):
        mine = [record.group for record in records if record.accepted and (record.split, record.label) == (part, label)]
        rows.append((part, label, len(set(mine)), len(mine)))
    return rows


def group_sizes(records: Sequence[FaceRecord]) -> list[tuple[str, int, int]]:
    """How large the groups are: size in words, number of groups, images in them."""
    sizes = Counter(Counter(record.group for record in records if record.accepted).values())
    steps = (("1 image", 1, 1), ("2 to 4", 2, 4), ("5 to 19", 5, 19), ("20 and more", 20, max(sizes, default=0)))
    rows = []
    for name, low, high in steps:
        groups = {size: number for size, number in sizes.items() if low <= size <= high}
        rows.append((name, sum(groups.values()), sum(size * number for size, number in groups.items())))
    return rows


def attribute_tallies(records: Sequence[FaceRecord]) -> list[Tally]:
    counts: dict[str, Counter] = {}
    for record in records:
        for name, value in record.attributes.items():
            counts.setdefault(_short(name), Counter())[_short(value)] += 1
    return [Tally(name, each.most_common(MOST_VALUES), max(0, len(each) - MOST_VALUES)) for name, each in counts.items()]


def makings(records: Sequence[FaceRecord]) -> list[Making]:
    """How each generated source was made; a setting that differs between its images is told by its number of values."""
    rows = []
    for source in sorted({record.source for record in records if record.label == "generated"}):
        mine = [record for record in records if record.label == "generated" and record.source == source]
        values: dict[str, dict[str, None]] = {}
        for record in mine:
            for name, value in itertools.chain(_making(record), _flat(record.drawn_with)):
                values.setdefault(name, {})[_short(value)] = None
        rows.append(Making(source, len(mine), [(name, _told(list(each))) for name, each in values.items()], _examples(mine)))
    return rows


def _making(record: FaceRecord) -> Iterator[tuple[str, object]]:
    for name in ("generator", "prompt", "seed", "source_image"):
        if getattr(record, name) not in ("", None):
            yield name.replace("_", " "), getattr(record, name)


def _flat(settings: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield _short(f"{before}{name}").replace("_", " "), value


def _told(values: Sequence[str]) -> str:
    return ", ".join(value or "(empty)" for value in values) if len(values) <= 3 else f"{len(values):,} different ones"


def _examples(records: Sequence[FaceRecord]) -> list[str]:
    prompts = sorted({record.prompt for record in records if record.prompt})
    order = np.random.default_rng(0).permutation(len(prompts))[:MOST_PROMPTS]
    return [_short(prompts[index]) for index in order]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
