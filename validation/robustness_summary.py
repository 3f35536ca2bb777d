"""measure(): a sample of the judged images is passed on in every way, and judged again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_collection.figures import Picture
from data_collection.manifest import FaceRecord
from training import onnx_files
from validation import robustness, robustness_curves, sampling
from validation.judged import Judged
from validation.predictions import Judge
from validation.robustness import Condition

REPLICATES = 500


@dataclass(frozen=True)
class Robustness:
    """What becomes of the verdicts.

    Attributes:
        images: how many were distorted.
        clean: the same images as they are.
        conditions: one for each distortion.
        biased: the one under which it matters most which class was distorted; None with one class only.
        curves: the figure.
    """

    images: int
    clean: Condition
    conditions: list[Condition]
    biased: Condition | None
    curves: Picture


def measure(folder: Path, records: Sequence[FaceRecord], judged: Judged, judge: Judge, most: int) -> Robustness:
    """Distorts at most `most` of the judged images, half of each class where possible.

    Args:
        folder: what the records' paths start from.
        judged: of the same records, in the same order.
    """
    place = {record.id: index for index, record in enumerate(records)}
    sample = [replace(record, crop=judge.crop) for record in sampling.chosen(records, most)]
    ask = onnx_files.runner(judge.file, threads=1)
    probabilities = robustness.run(
        folder,
        sample,
        lambda pixels: ask(pixels.astype("float32"))[:, 0],
        judge.image_size,
        judge.folder / "kept",
        [judge.sha256],
    )
    few = judged.taken([place[record.id] for record in sample])
    clean, *conditions = robustness.figures_of(probabilities, few, replicates=REPLICATES)
    caption = (
        "Orange, dashed: generated faces found; blue, unbroken: photographs called generated, both at the frozen threshold and "
        "with 95% intervals; grey: ROC AUC. “None” is the pictures as they are."
    )
    curves = Picture("robustness", "What passing on does", caption, robustness_curves.curves([clean, *conditions]))
    return Robustness(len(sample), clean, conditions, robustness.most_biased(conditions), curves)
