"""Compute the tables of the audit page from manifest rows.

They count sources, splits, groups, duplicates, prompt attributes and generation settings.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.audit_report.duplicates import find_near_duplicate_groups
from data_collection.dataset import splits
from data_collection.dataset.manifest import LABELS, FaceRecord, ImageClass

MAX_ATTRIBUTE_VALUES, MAX_EXAMPLE_PROMPTS, MAX_TEXT_CHARACTERS = 12, 5, 300
"""Limits of what the page shows: values of an attribute, example prompts, characters of a text."""


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """Counts of one source.

    Attributes:
        rejections: reason and number of images, the most frequent first.
        n_by_split: accepted images by split.
    """

    label: ImageClass
    name: str
    n_found: int
    n_accepted: int
    rejections: list[tuple[str, int]]
    n_groups: int
    n_by_split: dict[str, int]


@dataclass(frozen=True)
class AttributeTally:
    """Counts of each value; `n_omitted` is the number of rarer values left out."""

    name: str
    values: list[tuple[str, int]]
    n_omitted: int


@dataclass(frozen=True)
class GenerationInfo:
    """Settings and versions with which one source's images were generated, and some prompts."""

    source: str
    n_images: int
    facts: list[tuple[str, str]]
    prompts: list[str]


def build_source_rows(records: Sequence[FaceRecord]) -> list[SourceRow]:
    rows = []
    for label, name in sorted(
        {(record.label, record.source) for record in records},
        key=lambda key: (LABELS.index(key[0]), key),
    ):
        of_source = [r for r in records if (r.label, r.source) == (label, name)]
        accepted = [record for record in of_source if record.accepted]
        reasons = Counter(record.rejection_kind for record in of_source if not record.accepted)
        rows.append(
            SourceRow(
                label=label,
                name=name,
                n_found=len(of_source),
                n_accepted=len(accepted),
                rejections=reasons.most_common(),
                n_groups=len({record.group for record in accepted}),
                n_by_split=dict(Counter(record.split for record in accepted)),
            )
        )
    return rows


def list_used_splits(records: Iterable[FaceRecord]) -> list[str]:
    used = {record.split for record in records if record.accepted}
    return [*splits.SPLITS, *({splits.QUARANTINE} & used)]


def count_duplicates(records: Sequence[FaceRecord]) -> list[tuple[str, int]]:
    """Count exact copies, which are left out, and near-duplicates, which stay in one split."""
    reasons = Counter(record.rejection_kind for record in records if not record.accepted)
    groups = find_near_duplicate_groups(records)
    return [
        ("exact copies, left out", reasons["duplicate"]),
        ("images offered under both labels, left out", reasons["both labels"]),
        ("groups of near-duplicates, each in one split", len(groups)),
        ("images in these groups", sum(map(len, groups))),
        (
            "groups that hold both classes",
            sum(len({record.label for record in group}) > 1 for group in groups),
        ),
    ]


def count_split_members(records: Sequence[FaceRecord]) -> list[tuple[str, str, int, int]]:
    """Count groups and images of each split and class."""
    rows = []
    for split, label in itertools.product(list_used_splits(records), LABELS):
        groups = [
            record.group
            for record in records
            if record.accepted and (record.split, record.label) == (split, label)
        ]
        rows.append((split, label, len(set(groups)), len(groups)))
    return rows


def count_group_sizes(records: Sequence[FaceRecord]) -> list[tuple[str, int, int]]:
    """Count groups by size: size as text, number of groups, number of images in them."""
    sizes = Counter(Counter(record.group for record in records if record.accepted).values())
    steps = (
        ("1 image", 1, 1),
        ("2 to 4", 2, 4),
        ("5 to 19", 5, 19),
        ("20 and more", 20, max(sizes, default=0)),
    )
    rows = []
    for name, low, high in steps:
        groups = {size: number for size, number in sizes.items() if low <= size <= high}
        rows.append(
            (name, sum(groups.values()), sum(size * number for size, number in groups.items()))
        )
    return rows


def tally_attributes(records: Sequence[FaceRecord]) -> list[AttributeTally]:
    counts: dict[str, Counter] = {}
    for record in records:
        for name, value in record.attributes.items():
            counts.setdefault(_shorten_text(name), Counter())[_shorten_text(value)] += 1
    return [
        AttributeTally(
            name, count.most_common(MAX_ATTRIBUTE_VALUES), max(0, len(count) - MAX_ATTRIBUTE_VALUES)
        )
        for name, count in counts.items()
    ]


def describe_generation(records: Sequence[FaceRecord]) -> list[GenerationInfo]:
    """Describe how each generated source was made; a setting with more than three values is shown
    by their number."""
    rows = []
    for source in sorted({record.source for record in records if record.label == "generated"}):
        of_source = [
            record for record in records if record.label == "generated" and record.source == source
        ]
        values: dict[str, dict[str, None]] = {}
        for record in of_source:
            for name, value in itertools.chain(
                _iterate_generation_facts(record), _flatten_generator_settings(record.drawn_with)
            ):
                values.setdefault(name, {})[_shorten_text(value)] = None
        rows.append(
            GenerationInfo(
                source,
                len(of_source),
                [(name, _summarise_values(list(distinct))) for name, distinct in values.items()],
                _sample_prompts(of_source),
            )
        )
    return rows


def _iterate_generation_facts(record: FaceRecord) -> Iterator[tuple[str, object]]:
    for name in ("generator", "prompt", "seed", "source_image"):
        if getattr(record, name) not in ("", None):
            yield name.replace("_", " "), getattr(record, name)


def _flatten_generator_settings(
    settings: Mapping[str, object], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten_generator_settings(value, f"{prefix}{name}.")
        else:
            yield _shorten_text(f"{prefix}{name}").replace("_", " "), value


def _summarise_values(values: Sequence[str]) -> str:
    return (
        ", ".join(value or "(empty)" for value in values)
        if len(values) <= 3
        else f"{len(values):,} different values"
    )


def _sample_prompts(records: Sequence[FaceRecord]) -> list[str]:
    prompts = sorted({record.prompt for record in records if record.prompt})
    order = np.random.default_rng(0).permutation(len(prompts))[:MAX_EXAMPLE_PROMPTS]
    return [_shorten_text(prompts[index]) for index in order]


def _shorten_text(value: object) -> str:
    text = str(value)
    return (
        text
        if len(text) <= MAX_TEXT_CHARACTERS
        else text[: MAX_TEXT_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )
