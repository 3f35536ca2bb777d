"""Define where data sets, detectors and logs lie: in the current folder, or in $TELLTALE_HOME."""

import os
from pathlib import Path

HOME_FOLDER = Path(os.environ.get("TELLTALE_HOME", "")).expanduser()
DATA_FOLDER = HOME_FOLDER / "data"
SAVED_MODELS_FOLDER = HOME_FOLDER / "saved_models"
LOGS_FOLDER = HOME_FOLDER / "logs"
FEEDBACK_FOLDER = DATA_FOLDER / "feedback"
"""Pictures that came back with their true label; a data set of this name would lie beside them."""
