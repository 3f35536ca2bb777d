"""Switch off the usage reports of every library, before any of them is imported: most read their
variable once. `runtime.console` imports this module, and every command imports that one first."""

import os

NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, diffusers, transformers
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime, from 1.31 on
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Variables that the installed libraries read."""

os.environ.update(NO_TELEMETRY)
