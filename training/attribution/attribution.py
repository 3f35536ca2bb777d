"""Turn the outputs of a detector's heads into the closest known generator, or into none of them.

Each output of a head tells one generator from photographs, not from the other generators. A
multinomial logistic regression on all outputs, one class of which is photographs, does that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.cuts.left_out import compute_wilson_interval

NONE_OF_THE_KNOWN = "none of the known generators"


@dataclass(frozen=True, kw_only=True)
class AttributionCounts:
    """Answers to images of one generator that are called generated, by heads that were not trained
    on them.

    Attributes:
        images: those that are called generated.
        groups: number of their independent groups.
        own: images that got the generator's own name.
        none: images that got none.
    """

    generator: str
    images: int
    groups: int
    own: int
    none: int


@dataclass(frozen=True)
class NearestGenerator:
    """The most probable known generator of an image."""

    name: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class GeneratorAnswer:
    """The generator of an image that is called generated.

    Attributes:
        nearest: the most probable known generator; `closest` is None if that is not probable
            enough.
        cut: the smallest probability for which it is named.
        known: every generator that could have been named.
    """

    nearest: NearestGenerator
    cut: float
    known: tuple[str, ...]

    @property
    def closest(self) -> str | None:
        """The closest known generator; None for none of them."""
        return self.nearest.name if self.nearest.probability >= self.cut else None

    @property
    def probability(self) -> float | None:
        """The probability of the closest known generator; None for none of them."""
        return self.nearest.probability if self.closest else None

    def describe(self) -> str:
        """Return the answer in a few words."""
        if self.closest is None:
            return NONE_OF_THE_KNOWN
        probability = "over 0.99" if self.probability > 0.99 else f"{self.probability:.2f}"
        return f"closest to: {self.closest} ({probability})"


@dataclass(frozen=True, kw_only=True)
class GeneratorAttribution:
    """How to name the generator of an image that is called generated.

    Probabilities are as if photographs and each known generator were equally frequent.

    Attributes:
        generators: the known ones, in the order of the heads' outputs.
        tensors: name of the tensor inside detector.onnx that holds the outputs of each head, of
            shape (images, generators).
        kernel: from outputs to logits, a row for photographs, then one for each generator.
        bias: of the same logits.
        cut: the nearest generator is named from this probability on.
        known: counts for the known generators, by heads not trained on the image.
        left_out: counts for the same generators, by heads not trained on any image of them.
    """

    generators: tuple[str, ...]
    kernel: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    cut: float
    known: tuple[AttributionCounts, ...]
    left_out: tuple[AttributionCounts, ...]
    tensors: tuple[str, ...] = ()

    def find_nearest(self, outputs: np.ndarray) -> list[NearestGenerator | None]:
        """Return the nearest generator of every image; None for outputs that are no numbers.

        Args:
            outputs: calibrated logit of every generator, shape (images, generators).
        """
        probabilities = compute_class_probabilities(
            outputs, np.array(self.kernel), np.array(self.bias)
        )[:, 1:]
        return [
            NearestGenerator(self.generators[row.argmax()], float(row.max()))
            if np.isfinite(row).all()
            else None
            for row in probabilities
        ]

    def answer(self, nearest: NearestGenerator) -> GeneratorAnswer:
        """Return the answer for an image that is called generated."""
        return GeneratorAnswer(nearest=nearest, cut=self.cut, known=self.generators)

    def describe_worth(self) -> str:
        """Return in a sentence or two what a name is worth."""
        sentences = [
            f"Where it answers generated, it names the closest of {len(self.generators)} known "
            f"generators, or none of them: {_describe_known(self.known)}"
        ]
        if self.left_out:
            sentences.append(_describe_left_out(self.left_out))
        return " ".join(sentences)


def compute_class_probabilities(
    outputs: np.ndarray, kernel: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """Return the probability of photographs and of every generator, (images, 1 + generators)."""
    logits = outputs @ kernel.T + bias
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _describe_known(counts: Sequence[AttributionCounts]) -> str:
    images, own, none = (_add_up(counts, name) for name in ("images", "own", "none"))
    return (
        f"of {images:,} images of these that it had not trained on and called generated, "
        f"{own / images:.0%} got their own generator's name, {(images - own - none) / images:.0%} "
        f"another's, {none / images:.0%} none."
    )


def _describe_left_out(counts: Sequence[AttributionCounts]) -> str:
    images, groups, none = (_add_up(counts, name) for name in ("images", "groups", "none"))
    low, high = compute_wilson_interval(none / images, groups)
    warning = " So a name can be wrong, and none is no proof of an unknown one."
    return (
        f"Of {images:,} called generated whose generator it was not trained on, {none / images:.0%}"
        f" got none (95% interval {low:.0%} to {high:.0%} for these).{warning}"
    )


def _add_up(counts: Sequence[AttributionCounts], name: str) -> int:
    return sum(getattr(row, name) for row in counts)
