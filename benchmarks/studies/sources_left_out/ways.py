"""Define TRAINING_WAYS, one row per way to train, and the pairs whose logits are averaged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training.features.extractor import Extractor
from training.features.training_features import TrainingFeatures
from training.head_search.head_spec import HeadSpec, HeadTrial
from training.run_folders import TrainingRun
from validation.leave_source_out.evaluate import HeadChooser

PLAIN_L2_PENALTY = 1e-5
"""About that of scikit-learn's C = .003 on 2,000 rows of 20,000 numbers."""


def choose_plain_regression(
    run: TrainingRun, _: Mapping[str, Extractor], features: Mapping[str, TrainingFeatures]
) -> list[HeadTrial]:
    """Return logistic regression on all features of the first base; nothing is searched."""
    base = run.settings.bases[0]
    columns = features[base].columns
    spec = HeadSpec(
        base=base,
        signals=tuple(dict.fromkeys(column.signal for column in columns)),
        taps="all",
        sizes=run.settings.select_sizes(base),
        statistics=tuple(dict.fromkeys(column.statistic for column in columns)),
        layers=0,
        units=0,
        dropout=0.0,
        weight_decay=0.0,
        learning_rate=0.0,
        l2_penalty=PLAIN_L2_PENALTY,
    )
    return [HeadTrial(spec=spec, loss=0.0, auc=0.0, epochs=1)]


@dataclass(frozen=True, kw_only=True)
class TrainingWay:
    """One way to train.

    Attributes:
        key: names the way on the command line.
        name: in the tables.
        crop: of the data set: centre or face.
        options: of `python -m training`, beside its defaults.
        choose_heads: replaces the search; None for training's own.
    """

    key: str
    name: str
    crop: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choose_heads: HeadChooser | None = None


def list_ways(crop: str, mobilenet: Mapping[str, Any]) -> list[TrainingWay]:
    """Return the ways that both crops have.

    Args:
        mobilenet: options for MobileNetV2 on this crop.
    """
    clip = {"bases": ("clip_vit_b16",)}
    linear, logistic = {"heads": "linear", "ensemble": 3}, {"heads": "logistic"}
    return [
        TrainingWay(key=f"{crop}-mobilenet", name="MobileNetV2", crop=crop, options=mobilenet),
        TrainingWay(
            key=f"{crop}-mobilenet-plain",
            name="MobileNetV2, plain logistic regression, an output per generator",
            crop=crop,
            options=mobilenet,
            choose_heads=choose_plain_regression,
        ),
        TrainingWay(
            key=f"{crop}-mobilenet-logistic",
            name="MobileNetV2, `--heads logistic`",
            crop=crop,
            options={**mobilenet, **logistic},
        ),
        TrainingWay(
            key=f"{crop}-mobilenet-linear",
            name="MobileNetV2, `--heads linear --ensemble 3`",
            crop=crop,
            options={**mobilenet, **linear},
        ),
        TrainingWay(key=f"{crop}-clip", name="CLIP ViT-B/16", crop=crop, options=clip),
        TrainingWay(
            key=f"{crop}-clip-linear",
            name="CLIP ViT-B/16, `--heads linear --ensemble 3`",
            crop=crop,
            options={**clip, **linear},
        ),
        TrainingWay(
            key=f"{crop}-clip-logistic",
            name="CLIP ViT-B/16, `--heads logistic`",
            crop=crop,
            options={**clip, **logistic},
        ),
    ]


def make_span_way(crop: str, size: int) -> TrainingWay:
    """Return the way of one detector on two bases, with three linear heads on each."""
    return TrainingWay(
        key=f"{crop}-span",
        name="MobileNetV2 and CLIP ViT-B/16, `--span-bases --heads linear --ensemble 3`",
        crop=crop,
        options={
            "bases": ("mobilenet_v2", "clip_vit_b16"),
            "sizes": (size,),
            "span_bases": True,
            "heads": "linear",
            "ensemble": 3,
        },
    )


MOBILENET: Mapping[str, Any] = {"bases": ("mobilenet_v2",)}

TRAINING_WAYS = (
    TrainingWay(key="centre-default", name="the default: MobileNetV2, Xception", crop="centre"),
    *list_ways("centre", MOBILENET),
    TrainingWay(
        key="centre-mobilenet-sizes",
        name="MobileNetV2, `--sizes 224 320 448`",
        crop="centre",
        options={**MOBILENET, "sizes": (224, 320, 448)},
    ),
    make_span_way("centre", 224),
    *list_ways("face", {**MOBILENET, "sizes": (128,)}),
    TrainingWay(
        key="face-mobilenet-three",
        name="MobileNetV2, `--ensemble 3` (telltale-faces)",
        crop="face",
        options={**MOBILENET, "sizes": (128,), "ensemble": 3},
    ),
    make_span_way("face", 128),
)

COMBINED_WAYS = (
    ("centre-mobilenet", "centre-clip"),
    ("face-mobilenet", "face-clip"),
    ("face-mobilenet", "face-clip-linear"),
    ("face-mobilenet-linear", "face-clip-linear"),
    ("face-mobilenet", "face-clip-logistic"),
)
"""Keys of two ways whose calibrated logits are averaged."""
