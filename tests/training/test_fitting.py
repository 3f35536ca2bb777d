"""A training step is traced once, by heads, models from scratch and depth trials."""

import keras
import numpy as np

from finetuning import depth_training
from training import fitting

X = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
Y = (X[:, :1] > 0).astype(np.float32)


class CountedModel(keras.Model):
    """Count how often TensorFlow traces a training step: its Python code runs only then."""

    traces = 0

    def train_step(self, data):
        self.traces += 1
        return super().train_step(data)


def build_toy() -> CountedModel:
    inputs = keras.Input((8,))
    return CountedModel(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.2)(inputs)))


def test_a_head_traces_its_step_once_and_a_second_fit_goes_on_with_its_optimiser():
    model = build_toy()
    model.compile(keras.optimizers.AdamW(1e-2), keras.losses.BinaryCrossentropy(from_logits=True))
    fitting.fit_head(model, (X, Y, X[:9], Y[:9]), batch_size=16, patience=5, epochs=2)
    assert (model.traces, int(model.optimizer.iterations)) == (1, 6)
    fitting.fit_head(
        model, (X, Y, X[:9], Y[:9]), batch_size=16, patience=5, epochs=3, initial_epoch=2
    )
    assert int(model.optimizer.iterations) == 9


def test_a_depth_trial_traces_its_step_once_and_trains_what_is_unfrozen_then():
    model = build_toy()
    values = {"weight_decay": 1e-4, "label_smoothing": 0.1}
    for trainable in (False, True):  # as after the warm-up
        model.trainable = trainable
        depth_training.compile_tail(model, 1e-3, values)
    before = model.get_weights()
    model.fit(X, Y, batch_size=16, epochs=2, verbose=0)
    assert model.traces == 1
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
