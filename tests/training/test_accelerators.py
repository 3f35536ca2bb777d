"""Several devices and bfloat16 give the results of one device in float32; no GPU, no change."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from runtime import console
from toys.commands import build_environment
from training import accelerators

TRAINING_SCRIPT = """
import json, sys
import numpy as np
import tensorflow as tf

devices = [f"CPU:{number}" for number in range(int(sys.argv[1]))]
split = [tf.config.LogicalDeviceConfiguration()] * len(devices)
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], split)

import keras
from training import accelerators

generator = np.random.default_rng(0)
x = generator.normal(size=(64, 8)).astype(np.float32)
y = generator.integers(0, 2, (64, 1)).astype(np.float32)
with accelerators.distribute_over_gpus(devices):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((8,)), *layers])
    model.compile(keras.optimizers.AdamW(1e-2), keras.losses.BinaryCrossentropy(from_logits=True))
    history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history["loss"]
    answers = accelerators.predict_on_batch(model, x[:5])[0]
n_devices = model.distribute_strategy.num_replicas_in_sync
print(json.dumps({"losses": history, "devices": n_devices, "answers": answers.tolist()}))
"""


def train_on_devices(n_devices: int) -> dict:
    words = [sys.executable, "-c", TRAINING_SCRIPT, str(n_devices)]
    done = subprocess.run(
        words, env=build_environment(), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_two_devices_learn_what_one_learns():
    single, double = train_on_devices(1), train_on_devices(2)
    assert (single["devices"], double["devices"]) == (1, 2)
    assert single["losses"] == pytest.approx(double["losses"], rel=1e-4)
    assert single["losses"][0] > single["losses"][-1]
    assert np.shape(double["answers"]) == (5, 1)
    assert np.allclose(single["answers"], double["answers"], atol=1e-4)


def test_without_a_gpu_nothing_changes():
    dense = keras.layers.Dense(1)
    with accelerators.distribute_over_gpus():
        model = keras.Sequential([keras.Input((2,)), dense])
        model.compile("sgd", "mse")
    assert model.distribute_strategy.num_replicas_in_sync == 1
    assert (
        accelerators.choose_dtype_policy("auto") == "float32"
        and accelerators.choose_dtype_policy("mixed_bfloat16") == "mixed_bfloat16"
    )


def test_layers_calculate_in_bfloat16_only_inside_the_context():
    dense = keras.layers.Dense(3)
    x = np.ones((1, 4), dtype=np.float32) / 3
    exact = np.asarray(dense(x))
    with pytest.raises(KeyError), accelerators.use_dtype_policy([dense], "mixed_bfloat16"):
        coarse = dense(x)
        assert keras.backend.standardize_dtype(coarse.dtype) == "bfloat16"
        assert keras.backend.standardize_dtype(dense.kernel.dtype) == "float32"
        raise KeyError
    assert dense.dtype_policy.name == "float32" and np.array_equal(np.asarray(dense(x)), exact)


def test_a_batch_that_does_not_fit_is_halved_and_stays_so(capsys):
    sizes = []

    def run(batch):
        sizes.append(len(batch))
        if len(batch) > 4:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 123 bytes")
        return 2 * batch

    fitting = accelerators.halve_batches_on_memory_error(run)
    assert fitting(np.arange(16)).tolist() == list(range(0, 32, 2))
    assert fitting(np.arange(5)).tolist() == [0, 2, 4, 6, 8]
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 1]
    assert (
        "8 images at a time do not fit into memory; continuing with 4." in capsys.readouterr().err
    )


def test_a_single_picture_that_does_not_fit_and_other_errors_end_it():
    import tensorflow as tf

    def full(batch):
        raise tf.errors.ResourceExhaustedError(
            None, None, "OOM when allocating tensor with shape[1,112,112,32]"
        )

    with pytest.raises(console.PlainError, match="A single image does not fit into memory"):
        accelerators.halve_batches_on_memory_error(full)(np.arange(3))
    with pytest.raises(ValueError, match="reshape"):
        accelerators.halve_batches_on_memory_error(lambda batch: batch.reshape(7))(np.arange(3))
