"""Open an exported file as a function from pixels (n, side, side, 3) to probabilities (n, 1)."""

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from training import accelerators
from training.detectors import safe_keras
from training.onnx_files.onnx_models import OnnxRunner

if TYPE_CHECKING:
    import keras


def import_openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which contacts a server and stores an id in the home
    folder."""
    sys.modules.setdefault("openvino_telemetry", None)  # a missing package is ignored
    import openvino

    return openvino


def read_litert(path: Path) -> OnnxRunner:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=os.cpu_count()).get_signature_runner()
    return lambda batch: next(iter(run(pixels=batch).values()))


def read_savedmodel(path: Path) -> OnnxRunner:
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    return lambda batch: model.serve(batch)["generated"].numpy()


def read_openvino(path: Path) -> OnnxRunner:
    openvino = import_openvino()
    # By default OpenVINO calculates in bfloat16 on CPUs that support it; a MobileNetV2 detector's
    # probabilities were then wrong by up to 0.09.
    run = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda batch: run([batch])[0]


def read_keras(path: Path) -> OnnxRunner:
    return make_keras_runner(safe_keras.load_keras_model(path))


def make_keras_runner(model: "keras.Model") -> OnnxRunner:
    return lambda batch: accelerators.predict_on_batch(model, batch)[0]
