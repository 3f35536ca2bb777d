"""The report in TensorBoard."""

import shutil
import warnings
from pathlib import Path

import numpy as np

from training import tensorboard_logs
from validation.explanations.image_panels import PANEL_SIDE_PX
from validation.report import model_card
from validation.report.report import ValidationReport


def log_report(report: ValidationReport, folder: Path) -> None:
    """Log precision-recall curves, all metrics, figures, the most wrong images, features and the
    model card for TensorBoard."""
    # An earlier log of the same images would be mixed with this one.
    shutil.rmtree(folder, ignore_errors=True)
    with tensorboard_logs.open_run_log(folder) as run:
        data_name = "hold-out" if report.data.hold_out_openings else report.data.name
        for result in report.results:
            prefix = data_name if result is report.results[0] else f"{data_name} of {result.name}"
            if np.isfinite(result.estimates["ROC AUC"].value):
                run.add_pr_curve(
                    f"{prefix}/precision_recall", result.scored.labels, result.scored.probabilities
                )
            for name, estimate in result.estimates.items():
                values = {"": estimate.value, " (low)": estimate.low, " (high)": estimate.high}
                run.add_scalars({f"{prefix}/{name}{part}": value for part, value in values.items()})
        for figure in [*report.figures, *report.explanations.feature_maps]:
            run.add_image(f"{data_name}/{figure.name}", tensorboard_logs.decode_image(figure.png))
        for label, panels in report.most_wrong.items():
            images = [tensorboard_logs.decode_image(panel.jpeg) for panel in panels]
            run.add_image(
                f"{data_name}/most wrong, {label}",
                tensorboard_logs.make_image_grid(images, 4, PANEL_SIDE_PX),
            )
        if report.explanations.embedding:
            # tensorboardX pads its sheet of thumbnails with uninitialised memory.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                run.add_embedding(f"{data_name}/features", *report.explanations.embedding)
        run.add_text("report", model_card.render_model_card(report))
