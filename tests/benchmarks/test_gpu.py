"""The measurements of a GPU end in time, survive a part that fails, and count what they compare."""

import math
import time

import keras
import pytest

from benchmarks import gpu
from benchmarks.gpu_parts import bases, device
from benchmarks.gpu_parts.device import Workload


def test_products_are_counted_as_the_layers_compute_them():
    pixels = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(pixels)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.SeparableConv2D(5, 1)(x)
    x = keras.layers.Dense(6)(x)
    places = 4 * 4
    per_place = 3 * 3 * 3 * 4 + 3 * 3 * 4 + (4 + 4 * 5) + 5 * 6
    assert bases.count_products(keras.Model(pixels, x), side=8) == places * per_place


def test_a_batch_is_halved_until_it_fits_into_the_memory():
    tried = []

    def measure(batch: int) -> str:
        tried.append(batch)
        if batch > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB")
        return "measured"

    assert device.fit_batch(16, measure) == (4, "measured")
    assert tried == [16, 8, 4]


def test_an_error_that_is_none_of_memory_is_not_tried_again():
    def measure(batch: int) -> None:
        raise ValueError(f"a batch of {batch}")

    with pytest.raises(ValueError, match="a batch of 16"):
        device.fit_batch(16, measure)


def test_what_does_not_fit_into_the_time_is_left_out_and_told(capsys):
    workload = Workload(batch=1, matrix_side=8, bases=(), end=time.monotonic() + 0.05)
    begun = []
    for number in workload.iterate_while_time(range(3)):
        begun.append(number)
        time.sleep(0.1)
    assert begun == [0]
    assert "The time is over: 2 left out; give more --minutes." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "not even one image fits into the memory"),
        (ModuleNotFoundError("", name="diffusers"), "diffusers is not installed"),
        (ValueError("an odd shape"), "ValueError: an odd shape"),
    ],
)
def test_a_part_that_fails_is_a_sentence_and_the_others_go_on(monkeypatch, capsys, error, sentence):
    def fail(workload: Workload) -> None:
        raise error

    monkeypatch.setattr("benchmarks.gpu_parts.ceilings.measure", fail)
    monkeypatch.setattr(gpu, "CPU_BATCH", 1)
    assert gpu.main(parts=("ceilings", "heads")) == 1
    printed = capsys.readouterr()
    assert f"What the device can do: failed, {sentence}; the others go on." in printed.err
    assert "16 linear heads on 5632 features" in printed.out


# Raised inside diffusers' schedulers by numpy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.slow
def test_every_part_measures_something(capsys):
    assert gpu.main(batch=4, bases=("mobilenet_v2",), minutes=math.inf) == 0
    printed = capsys.readouterr().out
    for figure in (
        "matrix product, float32",
        "probabilities, largest difference from the CPU's",
        "features of mobilenet_v2 at 224 px, batches of 4, float32",
        "last 3 blocks, on activations, batches of 1, float32",
        "Stable Diffusion at 64 px, 10 steps, batches of 2",
    ):
        assert figure in printed
