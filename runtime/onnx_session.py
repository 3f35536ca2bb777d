"""Open ONNX Runtime sessions. This is the only module that imports onnxruntime, because its wheels
send usage events unless told not to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession as Session


def open_session(model: Path | bytes, threads: int = 0) -> "Session":
    """Open a session on the CPU.

    Args:
        model: a file, or its bytes.
        threads: for one batch; 0 for one on every core.
    """
    # On by default from 1.31 on: it also leaves a file .ses in the folder for temporary files
    # (Privacy.md of the package).
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"

    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
