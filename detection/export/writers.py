"""Write a detector in each format, with its metadata.

Every writer gets the detector and the path of the file or folder, in an empty folder.
"""

import zipfile
from pathlib import Path

from detection.export.exported_detector import (
    ExportSource,
    build_json_metadata,
    build_text_metadata,
)
from detection.export.readers import import_openvino

METADATA_FILE = "telltale.json"
"""Name of the metadata file, in formats that can store files."""


def write_onnx(source: ExportSource, path: Path) -> None:
    import onnx

    proto = onnx.load_model_from_string(source.onnx_data)
    onnx.helper.set_model_props(proto, build_text_metadata(source.card))
    onnx.save(proto, str(path))


def write_litert(source: ExportSource, path: Path) -> None:
    """Write LiteRT; the metadata goes into a zip archive behind the model, as TensorFlow Lite
    stores associated files."""
    import tensorflow as tf

    # Keras would allow TensorFlow's own operations, which the runtimes of phones lack.
    source.model.export(
        str(path),
        format="litert",
        verbose=False,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]},
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA_FILE, build_json_metadata(source.card))


def write_savedmodel(source: ExportSource, path: Path) -> None:
    """Write a SavedModel; the metadata goes into assets.extra, for files that TensorFlow does not
    read."""
    import tensorflow as tf

    model, module = source.model, tf.Module()
    pixels = tf.TensorSpec(model.input_shape, tf.float32, name="pixels")
    # Keras' own export stores every variable twice, for itself and for TensorFlow: 170 MB for 84
    # (keras issue 23553).
    module.weights = [variable.value for variable in model.variables]
    module.serve = tf.function(
        lambda pixels: {"generated": model(pixels, training=False)}, [pixels], autograph=False
    )
    tf.saved_model.save(module, str(path), signatures=module.serve)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / METADATA_FILE).write_text(build_json_metadata(source.card))


def write_openvino(source: ExportSource, path: Path) -> None:
    openvino = import_openvino()
    model = openvino.Core().read_model(source.onnx_data)
    for name, text in build_text_metadata(source.card).items():
        model.set_rt_info(text, ["telltale", name])
    openvino.save_model(model, path, compress_to_fp16=False)


def write_keras(source: ExportSource, path: Path) -> None:
    path.write_bytes(source.keras_data)
    path.with_suffix(".json").write_text(build_json_metadata(source.card))
