"""Train SCRATCH_MODELS on the canonical pictures; a second command loads the saved results."""

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
from training import calibration
from training.baselines import scratch_models, scratch_results
from training.baselines.linear import Baseline
from training.baselines.scratch_models import SCRATCH_MODELS
from training.baselines.scratch_results import ScratchResult
from training.bases import input_signals
from training.dataset import Dataset
from training.features import pixels as feature_pixels
from training.fitting import fit_head
from training.run_folders import SEARCHES_FOLDER
from training.settings import TrainingSettings

if TYPE_CHECKING:
    import keras

SCRATCH_TRAINING_VERSION = 3
"""Part of a result's key: raise it with every change to how these models are built or trained."""

MAX_CURVE_POINTS = 12
"""Points of the curve over the first epoch, or as many as it has batches."""

SCRATCH_BATCH_IMAGES = 32

SCRATCH_PATIENCE_EPOCHS = 10
"""Epochs without a lower validation loss after which a training ends."""

TrainingArrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def train_scratch_baselines(
    data: Dataset, side: int, settings: TrainingSettings, log_folder: Path
) -> list[Baseline]:
    """Train the models of --models, or load their results; the hold-out is not read.

    Args:
        side: of the detector's input in pixels, and the largest side of a model.
        log_folder: gets one TensorBoard run per model.
    """
    load_arrays = functools.cache(lambda: _load_training_arrays(data, side, settings.views))
    baselines = []
    for name in settings.models:
        row = SCRATCH_MODELS[name]
        for own_side in dict.fromkeys(min(side_px, side) for side_px in row.sides_px):
            detector, result = _load_or_train(name, own_side, side, data, load_arrays, settings)
            scratch_results.log_scratch_result(result, log_folder / f"{name}-{own_side}")
            baselines.append(
                Baseline(
                    name=f"{row.title}, {own_side} px",
                    logits=result.logits,
                    model=detector,
                )
            )
    return baselines


def _load_or_train(
    name: str,
    own_side: int,
    side: int,
    data: Dataset,
    load_arrays: Callable[[], TrainingArrays],
    settings: TrainingSettings,
) -> tuple["keras.Model", ScratchResult]:
    """Return the trained model as a detector, and the result of its training.

    Args:
        own_side: of the model's input.
        side: of the detector's input.
        load_arrays: called only if the model is not trained yet.
    """
    import keras

    # Before the model is built: its initial weights depend on the seed.
    keras.utils.set_random_seed(settings.seed)
    model = scratch_models.build_scratch_model(name, own_side)
    detector = scratch_models.wrap_as_detector(model, side)
    key = [
        SCRATCH_TRAINING_VERSION,
        name,
        own_side,
        side,
        manifest.compute_fingerprint(data.records),
        f"{canonical.CANONICALISER_VERSION}.{canonical.DECODER_VERSION}",
    ]
    key += [settings.views, settings.epochs, settings.batch_size, settings.seed]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    path = data.folder / SEARCHES_FOLDER / f"{model.name}-{digest}.npz"
    result = scratch_results.load_scratch_result(path, model, len(data.validation))
    if result:
        console.print_message(f"{model.name}: {result}, trained before")
    else:
        result = _train_scratch_model(
            model, detector, load_arrays(), len(data.validation), settings
        )
        scratch_results.save_scratch_result(path, result)
        console.print_message(f"{model.name}: {result}, {result.seconds:.0f} s")
    return detector, result


def _load_training_arrays(data: Dataset, side: int, views: int) -> TrainingArrays:
    """Load (x, y) of train and of validation, view by view, and validation images as judged.

    x is uint8, shape (views * images, side, side, 3).
    """
    judgement_views = canonical.list_judgement_views()
    records_and_views = [
        (record, view)
        for split, numbers in (
            (data.train, range(views)),
            (data.validation, [*range(views), *judgement_views]),
        )
        for view in numbers
        for record in split
    ]
    batches = [
        records_and_views[start : start + SCRATCH_BATCH_IMAGES]
        for start in range(0, len(records_and_views), SCRATCH_BATCH_IMAGES)
    ]
    pixels = np.empty((len(records_and_views), side, side, 3), dtype=np.uint8)
    console.print_message(
        f"{len(records_and_views)} views of {len(data.train) + len(data.validation)} images at "
        f"{side} px: {pixels.nbytes / 1e6:.0f} MB of memory."
    )
    progress = console.track_progress(
        feature_pixels.load_view_batches(data.folder, batches, side), "decoding", len(batches)
    )
    for number, (_, batch) in enumerate(progress):
        start = number * SCRATCH_BATCH_IMAGES
        pixels[start : start + len(batch)] = batch
    n_train = len(data.train) * views
    y, y_val = (
        np.tile(data.encode_labels(split), views)[:, None].astype(np.float32)
        for split in (data.train, data.validation)
    )
    n_judged = len(data.validation) * len(judgement_views)
    return pixels[:n_train], y, pixels[n_train:-n_judged], y_val, pixels[-n_judged:]


def _train_scratch_model(
    model: "keras.Model",
    detector: "keras.Model",
    arrays: TrainingArrays,
    n_images: int,
    settings: TrainingSettings,
) -> ScratchResult:
    """Train the model at its own side, and judge the validation images.

    Args:
        model: takes images of its own side.
        detector: the same model with the resize inside.
        n_images: of the validation split; view 0 comes first in the arrays.
    """
    import keras

    x, y, x_val, y_val, judged = arrays
    own_x, own_x_val = (_resize_arrays(pixels, model.input_shape[1]) for pixels in (x, x_val))
    first_epoch = _make_first_epoch_callback(own_x_val[:n_images], y_val[:n_images, 0])
    epochs = 2 * settings.epochs
    start = time.perf_counter()
    with contextlib.closing(iter(console.track_progress(range(epochs), model.name, epochs))) as bar:
        show_progress = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: next(bar), on_train_end=lambda *_: next(bar, None)
        )
        history = fit_head(
            model,
            (own_x, y, own_x_val, y_val),
            settings.batch_size,
            SCRATCH_PATIENCE_EPOCHS,
            callbacks=[show_progress, first_epoch],
            epochs=epochs,
        ).history
    seconds = time.perf_counter() - start
    history = {name: [float(value) for value in values] for name, values in history.items()}
    return ScratchResult(
        weights=model.get_weights(),
        logits=_judge_images(detector, judged, n_images),
        curve=np.array(first_epoch.curve, dtype=np.float64),
        history=history,
        seconds=seconds,
    )


def _judge_images(detector: "keras.Model", judged: np.ndarray, n_images: int) -> np.ndarray:
    """Return the logits of images that are given quality by quality, shape (images, qualities)."""
    outputs = _predict_outputs(detector, judged).reshape(-1, n_images).T
    return calibration.convert_to_logits(outputs.astype(np.float64))


def _resize_arrays(pixels: np.ndarray, side: int) -> np.ndarray:
    """Resize all images once and round them to uint8.

    A resize in every epoch takes longer than logistic regression itself: forty epochs at 128 px, on
    614 images of 224 px, take 11 s with this and some 40 s with the resize inside the model.
    """
    import keras

    if pixels.shape[1] == side:
        return pixels
    original = keras.Input(pixels.shape[1:])
    resize = keras.Model(original, input_signals.resize_pixels(original, side))
    resized = np.empty((len(pixels), side, side, 3), dtype=np.uint8)
    for start in range(0, len(pixels), SCRATCH_BATCH_IMAGES):
        batch = np.asarray(resize.predict_on_batch(pixels[start : start + SCRATCH_BATCH_IMAGES]))
        resized[start : start + SCRATCH_BATCH_IMAGES] = np.rint(batch).clip(0, 255)
    return resized


def _make_first_epoch_callback(x_val: np.ndarray, y_val: np.ndarray) -> "keras.callbacks.Callback":
    """Return a Keras callback that records the accuracy on these images during the first epoch.

    Its attribute `curve` is a list of (batches so far, accuracy).
    """
    import keras

    class FirstEpoch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.curve: list[tuple[int, float]] = []

        def on_epoch_begin(self, epoch, logs=None):
            self.every = max(1, self.params["steps"] // MAX_CURVE_POINTS) if epoch == 0 else 0

        def on_train_batch_end(self, batch, logs=None):
            if self.every and (batch + 1) % self.every == 0:
                # Not evaluate(), which would reset the metrics of the running epoch.
                correct = (_predict_outputs(self.model, x_val) > 0) == (y_val == 1)
                self.curve.append((batch + 1, float(correct.mean())))

    return FirstEpoch()


def _predict_outputs(model: "keras.Model", pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(pixels, batch_size=SCRATCH_BATCH_IMAGES, verbose=0))[
        :, 0
    ].astype(np.float64)
