"""The public names of Telltale for use from Python; each is imported when it is first used.

`from telltale import Detector`, for one. docs/architecture.md says where each name is defined.
"""

import importlib
from typing import Any

PUBLIC_NAMES = {
    "Detector": "detection.predictor",
    "prepare": "detection.prepare",
    "CollectionSettings": "data_collection.settings",
    "collect_dataset": "data_collection.collect",
    "TrainingSettings": "training.settings",
    "train_detector": "training.train",
    "FinetuningSettings": "finetuning.settings",
    "finetune_detector": "finetuning.finetune",
    "ValidationSettings": "validation.settings",
    "validate_detector": "validation.validate",
}
"""Modules of the public names."""

KERAS_NAMES = ("train_detector", "finetune_detector", "validate_detector")
"""Functions before whose import Keras has to be started."""

__all__ = sorted(PUBLIC_NAMES)


def __getattr__(name: str) -> Any:
    if name not in PUBLIC_NAMES:
        raise AttributeError(f"module 'telltale' has no attribute {name!r}")
    if name in KERAS_NAMES:
        importlib.import_module("training.keras_startup").start_keras()
    return getattr(importlib.import_module(PUBLIC_NAMES[name]), name)
