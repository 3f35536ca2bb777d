"""The report in TensorBoard."""

import shutil
import warnings
from pathlib import Path

import numpy as np

from training import tensorboard_logs
from validation.report import model_card
from validation.report.report import ValidationReport


def log_report(found: ValidationReport, folder: Path) -> None:
    """TensorBoard: precision-recall curves, every metric, the figures, the most wrong images,
    features, and the model card."""
    shutil.rmtree(
        folder, ignore_errors=True
    )  # an earlier look at the same images would be drawn over this one
    with tensorboard_logs.open_run_log(folder) as run:
        place = "hold-out" if found.data.hold_out_openings else found.data.name
        for each in found.results:
            mine = place if each is found.results[0] else f"{place} of {each.name}"
            if np.isfinite(each.estimates["ROC AUC"].value):
                run.add_pr_curve(
                    f"{mine}/precision_recall", each.scored.labels, each.scored.probabilities
                )
            for name, estimate in each.estimates.items():
                values = {"": estimate.value, " (low)": estimate.low, " (high)": estimate.high}
                run.add_scalars({f"{mine}/{name}{part}": value for part, value in values.items()})
        for picture in [*found.pictures, *found.explained.maps]:
            run.add_image(f"{place}/{picture.name}", tensorboard_logs.decode_image(picture.png))
        for label, shown in found.wrong.items():
            run.add_image(
                f"{place}/most wrong, {label}",
                tensorboard_logs.make_image_grid(
                    [tensorboard_logs.decode_image(each.jpeg) for each in shown], 4, 144
                ),
            )
        if found.explained.embedding:
            with (
                warnings.catch_warnings()
            ):  # tensorboardX pads its sheet of thumbnails with whatever is in memory
                warnings.simplefilter("ignore", RuntimeWarning)
                run.add_embedding(f"{place}/features", *found.explained.embedding)
        run.add_text("report", model_card.render_model_card(found))
