"""Log the final detector for TensorBoard."""

from dataclasses import asdict

from data_collection.dataset import manifest
from training import tensorboard_logs
from training.calibration import sigmoid
from training.detectors.card import CARD_FILE, Card
from training.detectors.cost_figure import COST_FIGURE_FILE
from training.features import pixels
from training.final_detector.final_detector import FinalDetector
from training.run_folders import TrainingRun

SAMPLE_FACES_PER_CLASS = 8
"""Faces of each class that TensorBoard shows, in up to three views."""


def log_final_detector(run: TrainingRun, card: Card, detector: FinalDetector) -> None:
    """Log sample faces as training sees them, precision and recall, metrics, costs and the card."""
    data, folder = run.data, run.folders.detector(run.name)
    probabilities = sigmoid(detector.logits)
    with tensorboard_logs.open_run_log(run.folders.run_logs(run.name)) as log:
        for label in manifest.LABELS:
            records = [record for record in data.train if record.label == label]
            records = records[:SAMPLE_FACES_PER_CLASS]
            images = [
                pixels.load_canonical_view(data.folder, record, card.image_size, view)
                for view in range(min(run.settings.views, 3))
                for record in records
            ]
            log.add_image(f"faces/{label}", tensorboard_logs.make_image_grid(images, len(records)))
        cost_figure = (folder / COST_FIGURE_FILE).read_bytes()
        log.add_image("accuracy_and_latency", tensorboard_logs.decode_image(cost_figure))
        log.add_pr_curve("validation/precision_recall", run.validation_labels, probabilities)
        log.add_scalars(
            {f"validation/{name}": value for name, value in asdict(card.metrics).items()}
        )
        log.add_text("card", f"```json\n{(folder / CARD_FILE).read_text()}\n```")
