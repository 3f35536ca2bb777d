"""Count which generator is named for the images of each source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from runtime.terminal.counting import choose_verb, format_count
from training.attribution.attribution import NONE_OF_THE_KNOWN
from training.detectors.card import Card
from validation.data.evaluation_set import EvaluationSet
from validation.generators.named_generators import NOT_NAMED, name_generators
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval
from validation.predictions import Scorer

PHOTOGRAPHS = "photographs"


@dataclass(frozen=True, kw_only=True)
class NamedSource:
    """Answers to the images of one source.

    Attributes:
        source: a generator, or PHOTOGRAPHS.
        is_known: whether the detector could have named it.
        images: all of them.
        generated: those that are called generated, the only ones for which a generator is named.
        named: number of images by the generator that is named.
        none: number of images that are called generated and get no name.
        own_share: of those that are called generated, the share that got its own name; unknown for
            a source that is not known.
        none_share: the share of them that got no name.
    """

    source: str
    is_known: bool
    images: int
    generated: int
    named: dict[str, int]
    none: int
    own_share: Estimate
    none_share: Estimate


@dataclass(frozen=True, kw_only=True)
class GeneratorConfusion:
    """Answers to the images of every source, known generators first, photographs last.

    Attributes:
        generators: those that can be named.
        own_share: of images of known generators that are called generated, with their own name.
        none_share: of images of other generators that are called generated, without a name.
    """

    generators: tuple[str, ...]
    rows: list[NamedSource] = field(default_factory=list)
    own_share: Estimate = UNKNOWN_ESTIMATE
    none_share: Estimate = UNKNOWN_ESTIMATE

    def list_sentences(self) -> Iterator[str]:
        """Yield what the counts say."""
        for is_known, share, images, answer in (
            (True, self.own_share, "known generators", "got their own generator's name"),
            (False, self.none_share, "generators that it does not know", "got none"),
        ):
            rows = [row for row in self.rows if row.is_known == is_known]
            rows = [row for row in rows if row.source != PHOTOGRAPHS]
            n_images = sum(row.generated for row in rows)
            if n_images:
                yield (
                    f"Of {format_count(n_images, 'image')} of {images} that "
                    f"{choose_verb(n_images, 'was', 'were')} called generated, "
                    f"{describe_share(share)} {answer}."
                )


def describe_share(share: Estimate) -> str:
    """Return a share in percent with its interval."""
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


def count_named_images(
    card: Card, data: EvaluationSet, scored: ScoredImages, scorer: Scorer
) -> GeneratorConfusion | None:
    """Name the generators of images and count the answers; None for a detector that names none."""
    if card.attribution is None:
        return None
    names = name_generators(data.folder, data.records, scored, scorer, card)
    sources = np.array([record.source for record in data.records], dtype=object)
    generators = card.attribution.generators
    return count_named_sources(generators, sources, scored.labels, scored.groups, names)


def count_named_sources(
    generators: Sequence[str],
    sources: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    names: np.ndarray,
) -> GeneratorConfusion:
    """Count the answers.

    Args:
        generators: those that can be named.
        sources, labels, groups: of every image; labels are 1 for generated.
        names: as name_generators returns them.
    """
    is_known = np.isin(sources, generators) & (labels == 1)
    is_unknown = ~is_known & (labels == 1)
    is_named = names != NOT_NAMED
    known = [name for name in generators if name in set(sources[is_known].tolist())]
    kinds = [(name, is_known & (sources == name)) for name in known]
    kinds += [(name, is_unknown & (sources == name)) for name in sorted(set(sources[is_unknown]))]
    kinds += [(PHOTOGRAPHS, labels == 0)] if (labels == 0).any() else []
    return GeneratorConfusion(
        generators=tuple(generators),
        rows=[
            _count_source(name, generators, names[rows], groups[rows], bool(is_known[rows].any()))
            for name, rows in kinds
        ],
        own_share=_estimate_share(names == sources, is_known & is_named, groups),
        none_share=_estimate_share(names == NONE_OF_THE_KNOWN, is_unknown & is_named, groups),
    )


def _count_source(
    source: str, generators: Sequence[str], names: np.ndarray, groups: np.ndarray, is_known: bool
) -> NamedSource:
    is_named, is_none = names != NOT_NAMED, names == NONE_OF_THE_KNOWN
    own_share = _estimate_share(names == source, is_named, groups)
    return NamedSource(
        source=source,
        is_known=is_known,
        images=len(names),
        generated=int(is_named.sum()),
        named={name: int(np.sum(names == name)) for name in generators},
        none=int(is_none.sum()),
        own_share=own_share if is_known else UNKNOWN_ESTIMATE,
        none_share=_estimate_share(is_none, is_named, groups),
    )


def _estimate_share(is_counted: np.ndarray, among: np.ndarray, groups: np.ndarray) -> Estimate:
    if not among.any():
        return UNKNOWN_ESTIMATE
    is_counted = is_counted[among]
    interval = compute_share_interval(is_counted, groups[among], CONFIDENCE_LEVEL)
    return Estimate(float(is_counted.mean()), *interval)
