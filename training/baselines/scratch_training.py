"""Trains SCRATCH_MODELS on the canonical pictures, each of them once: a second command reads what was kept."""

import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection.dataset import manifest
from data_collection.images import canonical
from runtime import console
from training.baselines import scratch_models, scratch_results
from training.baselines.linear import Baseline
from training.baselines.scratch_models import SCRATCH_MODELS
from training.baselines.scratch_results import ScratchResult
from training.bases import input_signals
from training.dataset import Dataset
from training.features import pixels as feature_pixels
from training.fitting import fit_head
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

SCRATCH_TRAINING_VERSION = 1
"""Part of a result's key: raise it with every change to how these models are built or trained."""

MAX_CURVE_POINTS = 12
"""Of the curve over the first epoch, or as many as it has batches."""

SCRATCH_BATCH_IMAGES = 32

TrainingArrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def train_scratch_baselines(
    data: Dataset, side: int, settings: TrainingSettings, log_folder: Path
) -> list[Baseline]:
    """Trains the models that --models names, or reads what was kept of them; the hold-out is not read.

    Args:
        side: of the detector's pictures, in pixels; a model that wants larger ones takes these.
        log_folder: gets one TensorBoard run per model.
    """
    pictures = functools.cache(lambda: _load_training_arrays(data, side, settings.views))
    found = []
    for name in settings.models:
        row = SCRATCH_MODELS[name]
        for own_side in dict.fromkeys(min(wanted, side) for wanted in row.sides):
            model, result = _load_or_train(name, own_side, side, data, pictures, settings)
            scratch_results.log_scratch_result(result, log_folder / f"{name}-{own_side}")
            found.append(Baseline(f"{row.title}, {own_side} px", result.probabilities, model=model))
    return found


def _load_or_train(
    name: str,
    own_side: int,
    side: int,
    data: Dataset,
    pictures: Callable[[], TrainingArrays],
    settings: TrainingSettings,
) -> tuple["keras.Model", ScratchResult]:
    """The trained model as a detector, and what came of its training now or before."""
    import keras

    # Before the model is built: its first weights are part of the result.
    keras.utils.set_random_seed(settings.seed)
    model = scratch_models.build_scratch_model(name, own_side)
    whole = scratch_models.wrap_as_detector(model, side)
    key = [
        SCRATCH_TRAINING_VERSION,
        name,
        own_side,
        side,
        manifest.compute_fingerprint(data.records),
        canonical.CANONICALISER_VERSION,
    ]
    key += [settings.views, settings.epochs, settings.batch_size, settings.seed]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    path = data.folder / "searches" / f"{model.name}-{digest}.npz"
    result = scratch_results.load_scratch_result(path, model, len(data.validation))
    if result:
        console.print_message(f"{model.name}: {result}, trained before")
    else:
        result = _train_scratch_model(model, whole, pictures(), len(data.validation), settings)
        scratch_results.save_scratch_result(path, result)
        console.print_message(f"{model.name}: {result}, {result.seconds:.0f} s")
    return whole, result


def _load_training_arrays(data: Dataset, side: int, views: int) -> TrainingArrays:
    """(x, y) of train and of validation, view by view, as fit_head takes them; x is uint8 (views * images, side, side, 3)."""
    todo = [
        (record, view)
        for split in (data.train, data.validation)
        for view in range(views)
        for record in split
    ]
    batches = [
        todo[start : start + SCRATCH_BATCH_IMAGES]
        for start in range(0, len(todo), SCRATCH_BATCH_IMAGES)
    ]
    pixels = np.empty((len(todo), side, side, 3), dtype=np.uint8)
    console.print_message(
        f"{len(todo) // views} images x {views} views at {side} px: {pixels.nbytes / 1e6:.0f} MB of memory."
    )
    ready = console.track_progress(
        feature_pixels.load_view_batches(data.folder, batches, side), "decoding", len(batches)
    )
    for number, (_, batch) in enumerate(ready):
        pixels[number * SCRATCH_BATCH_IMAGES : number * SCRATCH_BATCH_IMAGES + len(batch)] = batch
    held = len(data.train) * views
    y, y_val = (
        np.tile(data.labels(split), views)[:, None].astype(np.float32)
        for split in (data.train, data.validation)
    )
    return pixels[:held], y, pixels[held:], y_val


def _train_scratch_model(
    model: "keras.Model",
    whole: "keras.Model",
    arrays: TrainingArrays,
    images: int,
    settings: TrainingSettings,
) -> ScratchResult:
    """Trains the model at its own side and puts view 0 of the validation images, the first of them, to the detector."""
    import keras

    x, y, x_val, y_val = arrays
    own_x, own_x_val = (_resize_arrays(pixels, model.input_shape[1]) for pixels in (x, x_val))
    first = _make_first_epoch_callback(own_x_val[:images], y_val[:images, 0])
    epochs = 2 * settings.epochs
    start = time.perf_counter()
    with contextlib.closing(iter(console.track_progress(range(epochs), model.name, epochs))) as bar:
        shown = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: next(bar), on_train_end=lambda *_: next(bar, None)
        )
        own = own_x, y, own_x_val, y_val
        history = fit_head(
            model, own, settings.batch_size, 10, callbacks=[shown, first], epochs=epochs
        ).history
    seconds = time.perf_counter() - start
    history = {name: [float(value) for value in values] for name, values in history.items()}
    probabilities = _predict_outputs(whole, x_val[:images])
    return ScratchResult(
        model.get_weights(),
        probabilities,
        np.array(first.curve, dtype=np.float64),
        history,
        seconds,
    )


def _resize_arrays(pixels: np.ndarray, side: int) -> np.ndarray:
    """Pictures of another side, rounded to levels: once, for in every epoch it takes longer than logistic regression itself.

    Forty epochs of it at 128 px, on 614 pictures of 224 px: 11 s with this, some 40 s with the resize inside.
    """
    import keras

    if pixels.shape[1] == side:
        return pixels
    before = keras.Input(pixels.shape[1:])
    resize = keras.Model(before, input_signals.resize_pixels(before, side))
    found = np.empty((len(pixels), side, side, 3), dtype=np.uint8)
    for start in range(0, len(pixels), SCRATCH_BATCH_IMAGES):
        batch = np.asarray(resize.predict_on_batch(pixels[start : start + SCRATCH_BATCH_IMAGES]))
        found[start : start + SCRATCH_BATCH_IMAGES] = np.rint(batch).clip(0, 255)
    return found


def _make_first_epoch_callback(x_val: np.ndarray, y_val: np.ndarray):
    """A Keras callback that notes the accuracy on these images all along the first epoch: `curve`, (batches, accuracy)."""
    import keras

    class FirstEpoch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.curve: list[tuple[int, float]] = []

        def on_epoch_begin(self, epoch, logs=None):
            self.every = max(1, self.params["steps"] // MAX_CURVE_POINTS) if epoch == 0 else 0

        def on_train_batch_end(self, batch, logs=None):
            if self.every and (batch + 1) % self.every == 0:
                # Not evaluate(), which would reset the metrics of the epoch that is under way.
                right = (_predict_outputs(self.model, x_val) > 0) == (y_val == 1)
                self.curve.append((batch + 1, float(right.mean())))

    return FirstEpoch()


def _predict_outputs(model: "keras.Model", pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(pixels, batch_size=SCRATCH_BATCH_IMAGES, verbose=0))[
        :, 0
    ].astype(np.float64)
