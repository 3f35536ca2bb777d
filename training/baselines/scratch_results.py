"""Save, load and log the results of training from scratch."""

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


@dataclass(frozen=True, kw_only=True)
class ScratchResult:
    """The saved result of one training.

    Attributes:
        weights: of the best epoch, in the model's order.
        logits: of the validation images as judged, shape (images, qualities).
        curve: batches of the first epoch so far, and the validation accuracy, shape (points, 2).
        history: losses and AUCs of all epochs, by metric.
        seconds: duration of the training.
    """

    weights: list[np.ndarray]
    logits: np.ndarray
    curve: np.ndarray
    history: dict[str, list[float]]
    seconds: float

    def __str__(self) -> str:
        best = int(np.argmin(self.history["val_loss"]))
        loss, auc = (self.history[name][best] for name in ("val_loss", "val_auc"))
        epochs = len(self.history["val_loss"])
        return f"epoch {best + 1} of {epochs}, val_loss {loss:.4f}, val_auc {auc:.4f}"


def save_scratch_result(path: Path, result: ScratchResult) -> None:
    buffer = io.BytesIO()
    weights = {f"weight{number}": value for number, value in enumerate(result.weights)}
    history = json.dumps({"seconds": result.seconds, "history": result.history})
    np.savez(buffer, logits=result.logits, curve=result.curve, notes=history, **weights)
    atomic_files.write_atomically(path, buffer.getvalue())


def load_scratch_result(path: Path, model: "keras.Model", n_images: int) -> ScratchResult | None:
    """Load a result and set the model's weights; None where the file is missing or damaged.

    A damaged file is deleted.

    Args:
        n_images: in the validation split.
    """
    if not path.is_file():
        return None
    try:
        arrays = npz_files.parse_npz(path.read_bytes())
        weights = [arrays[f"weight{number}"] for number in range(len(model.get_weights()))]
        result = ScratchResult(
            weights=weights,
            logits=arrays["logits"],
            curve=arrays["curve"],
            **checked_json.parse_json(str(arrays["notes"])),
        )
        if len(result.logits) != n_images or not np.isfinite(result.logits).all():
            raise ValueError
        model.set_weights(weights)
    except (OSError, ValueError, KeyError, TypeError):
        console.print_warning(f"{path} is damaged; training {model.name} again.")
        path.unlink()
        return None
    return result


def log_scratch_result(result: ScratchResult, folder: Path) -> None:
    """Write a TensorBoard run: accuracy in the first epoch, losses and AUCs of every epoch."""
    with tensorboard_logs.open_run_log(folder) as run:
        for batch, accuracy in result.curve:
            run.add_scalars({"first_epoch/validation_accuracy": accuracy}, int(batch))
        for epoch in range(len(result.history["val_loss"])):
            run.add_scalars({name: values[epoch] for name, values in result.history.items()}, epoch)
