"""Open ONNX Runtime sessions. No other module imports onnxruntime, because its wheels send usage
events unless an environment variable says otherwise."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession as Session


def open_session(model: Path | bytes, threads: int = 0) -> "Session":
    """Open a session on the CPU.

    Args:
        model: a file, or its bytes.
        threads: threads per batch; 0 for one per core.
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
