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
        sizes=run.settings.sizes,
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
        crop: of the data set: centre or face.
        options: of `python -m training`, beside its defaults.
        choose_heads: replaces the search; None for training's own.
    """

    name: str
    crop: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choose_heads: HeadChooser | None = None


MOBILENET: Mapping[str, Any] = {"bases": ("mobilenet_v2",)}
CLIP: Mapping[str, Any] = {"bases": ("clip_vit_b16",)}
LOGISTIC: Mapping[str, Any] = {"heads": "logistic"}
THREE_SIZES: Mapping[str, Any] = {"sizes": (224, 320, 448)}
SMALL: Mapping[str, Any] = {"sizes": (128,)}

TRAINING_WAYS = (
    TrainingWay(name="the default: MobileNetV2, Xception", crop="centre"),
    TrainingWay(name="MobileNetV2", crop="centre", options=MOBILENET),
    TrainingWay(
        name="MobileNetV2, plain logistic regression, an output per generator",
        crop="centre",
        options=MOBILENET,
        choose_heads=choose_plain_regression,
    ),
    TrainingWay(name="MobileNetV2, logistic", crop="centre", options=MOBILENET | LOGISTIC),
    TrainingWay(name="MobileNetV2, three sizes", crop="centre", options=MOBILENET | THREE_SIZES),
    TrainingWay(name="CLIP ViT-B/16", crop="centre", options=CLIP),
    TrainingWay(name="CLIP ViT-B/16, logistic", crop="centre", options=CLIP | LOGISTIC),
    TrainingWay(name="MobileNetV2, 128 px", crop="face", options=MOBILENET | SMALL),
    TrainingWay(
        name="MobileNetV2, 128 px, plain logistic regression, an output per generator",
        crop="face",
        options=MOBILENET | SMALL,
        choose_heads=choose_plain_regression,
    ),
    TrainingWay(
        name="MobileNetV2, 128 px, logistic", crop="face", options=MOBILENET | SMALL | LOGISTIC
    ),
    TrainingWay(name="CLIP ViT-B/16", crop="face", options=CLIP),
    TrainingWay(name="CLIP ViT-B/16, logistic", crop="face", options=CLIP | LOGISTIC),
)

COMBINED_WAYS = (
    ("centre", "MobileNetV2", "CLIP ViT-B/16"),
    ("face", "MobileNetV2, 128 px", "CLIP ViT-B/16"),
    ("face", "MobileNetV2, 128 px", "CLIP ViT-B/16, logistic"),
)
"""Crop and names of two ways whose calibrated logits are averaged."""
