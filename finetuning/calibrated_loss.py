"""Calibrated loss, by which depth trials are ranked: the log loss after calibration."""

import math

import keras

from training.fitting import LABEL_SMOOTHING

CALIBRATED_LOSS_NAME = "calibrated_loss"

TEMPERATURE_GRID = tuple(math.exp(step / 10) for step in range(-30, 31))
"""From 1/20 to 20, 10 % apart."""


class CalibratedLoss(keras.metrics.Metric):
    """The smallest mean log loss (nats) over all temperatures of logits (n, 1) against smoothed
    labels (n, 1).

    Labels are smoothed because a few dozen images are soon separated without an error, and then
    neither the AUC nor the plain loss ranks trials (docs/lab-notebook.md). The temperature is
    fitted because a detector is calibrated before it is saved: without it, a trial that was trained
    with less smoothing than this metric uses would lose for its confidence alone.
    """

    def __init__(self, name: str = CALIBRATED_LOSS_NAME, **kwargs):
        super().__init__(name=name, **kwargs)
        self.totals = self.add_variable((len(TEMPERATURE_GRID),), "zeros", name="totals")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        targets = keras.ops.cast(y_true, "float32") * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2
        scaled = keras.ops.cast(y_pred, "float32") / keras.ops.array(
            [TEMPERATURE_GRID], dtype="float32"
        )
        losses = keras.ops.softplus(scaled) - targets * scaled
        self.totals.assign_add(keras.ops.sum(losses, axis=0))
        self.count.assign_add(keras.ops.cast(keras.ops.shape(y_pred)[0], "float32"))

    def result(self):
        return keras.ops.min(self.totals) / self.count
