"""Find the outputs of a detector's heads for each generator inside its ONNX file.

They are in detector.onnx anyway, on the way to its only output, the probability of *generated*. So
naming a generator leaves both model files as they are, and needs no second network.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from training import accelerators
from training.detectors.assembly import DetectorPart, list_member_columns
from training.features.layout import compute_columns, concatenate_columns
from training.head_search.heads import select_generator_outputs
from training.onnx_files import onnx_models

if TYPE_CHECKING:
    import keras


def find_output_tensors(parts: Sequence[DetectorPart], side: int, model: bytes) -> tuple[str, ...]:
    """Return the name of the tensor inside a detector's ONNX model for each head.

    Raises:
        ValueError: the model computes something else.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (1, side, side, 3)).astype(np.float32)
    outputs = accelerators.call_once(build_outputs_model(parts, side), noise)
    tensors = onnx_models.find_inner_tensors(model, noise, outputs)
    return tuple(tensor.name for tensor in tensors)


def build_outputs_model(parts: Sequence[DetectorPart], side: int) -> "keras.Model":
    """Build the model from pixels to each head's logits, (n, generators); it shares all layers."""
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    outputs = []
    for part in parts:
        features = compute_columns(pixels, part.base, list_member_columns(part.members))
        outputs += [
            select_generator_outputs(member.head)(concatenate_columns(features, member.columns))
            for member in part.members
        ]
    return keras.Model(pixels, outputs, name="outputs")
