"""Results of trainings from scratch: kept beside the searches, read back whole or not at all, shown in TensorBoard."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import atomic_files, checked_json, console, npz_files
from training import tensorboard_logs

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ScratchResult:
    """What is kept of one training.

    Attributes:
        weights: of the best epoch, in the model's order.
        probabilities: of *generated*, for the validation images' view 0, shape (images,).
        curve: batches seen in the first epoch, and the validation accuracy then, shape (points, 2).
        history: losses and AUCs of all epochs, by metric.
        seconds: that the training took.
    """

    weights: list[np.ndarray]
    probabilities: np.ndarray
    curve: np.ndarray
    history: dict[str, list[float]]
    seconds: float

    def __str__(self) -> str:
        best = int(np.argmin(self.history["val_loss"]))
        loss, auc = (self.history[name][best] for name in ("val_loss", "val_auc"))
        return f"epoch {best + 1} of {len(self.history['val_loss'])}, val_loss {loss:.4f}, val_auc {auc:.4f}"


def save_scratch_result(path: Path, result: ScratchResult) -> None:
    buffer = io.BytesIO()
    weights = {f"weight{number}": value for number, value in enumerate(result.weights)}
    history = json.dumps({"seconds": result.seconds, "history": result.history})
    np.savez(
        buffer, probabilities=result.probabilities, curve=result.curve, notes=history, **weights
    )
    atomic_files.write_atomically(path, buffer.getvalue())


def load_scratch_result(path: Path, model: "keras.Model", images: int) -> ScratchResult | None:
    """What was kept, its weights put into the model; None where there is nothing, or nothing whole."""
    if not path.is_file():
        return None
    try:
        kept = npz_files.parse_npz(path.read_bytes())
        weights = [kept[f"weight{number}"] for number in range(len(model.get_weights()))]
        result = ScratchResult(
            weights,
            kept["probabilities"],
            kept["curve"],
            **checked_json.parse_json(str(kept["notes"])),
        )
        if result.probabilities.shape != (images,) or not np.isfinite(result.probabilities).all():
            raise ValueError
        model.set_weights(weights)
    except (OSError, ValueError, KeyError, TypeError):
        console.print_warning(f"{path} is damaged; {model.name} is trained again.")
        path.unlink()
        return None
    return result


def log_scratch_result(result: ScratchResult, folder: Path) -> None:
    """One run: how soon the first epoch solved the task, and how every epoch went."""
    with tensorboard_logs.open_run_log(folder) as run:
        for batch, accuracy in result.curve:
            run.scalars({"first_epoch/validation_accuracy": accuracy}, int(batch))
        for epoch in range(len(result.history["val_loss"])):
            run.scalars({name: values[epoch] for name, values in result.history.items()}, epoch)
