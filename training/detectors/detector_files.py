"""Write the files of a saved detector that training and fine-tuning have in common.

These are the models, baselines, hashes, cost figure and card.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from runtime import console
from training import calibration, onnx_models
from training.baselines import linear
from training.baselines.linear import Baseline
from training.calibration import calibrate_probabilities
from training.detectors import costs
from training.features.extractor import Extractor


def write_baseline_files(
    rivals: Sequence[Baseline],
    extractors: Mapping[str, Extractor],
    labels: np.ndarray,
    target_fpr: float,
    folder: Path,
) -> dict[str, dict]:
    """Metrics of every baseline; all that look at pictures also become ONNX detectors, to be judged
    like the winner."""
    described: dict[str, dict] = {}
    if any(extractor.engine == "keras" for extractor in extractors.values()):
        console.print_warning("Linear baselines are not kept for the hold-out with --engine keras.")
    (folder / "baselines").mkdir()
    for rival in rivals:
        described[rival.name] = {
            "metrics": asdict(calibration.compute_scores(rival.probabilities, labels))
        }
        path = folder / "baselines" / f"{rival.name.replace(',', '').replace(' ', '-')}.onnx"
        if rival.model is not None:
            rival.model.save(path.with_suffix(".keras"))
            onnx_models.export_checked_onnx(rival.model, path)
        elif rival.weights is not None and extractors[rival.base].engine != "keras":
            linear.export_linear_baseline(rival, extractors[rival.base].onnx_path, path)
        else:
            continue
        described[rival.name] |= {
            "file": path.relative_to(folder).as_posix(),
            "calibration": asdict(calibrate_probabilities(rival.probabilities, labels, target_fpr)),
            "cost": asdict(costs.measure_cost(path)),
        }
    return described


BASELINES_FOLDER = "baselines"
