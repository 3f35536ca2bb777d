"""Models trained from scratch: the published attention, saved results, files that open anywhere."""

import subprocess
import sys
from typing import get_args

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest
from data_collection.images import canonical
from toys import face_records
from toys.commands import build_environment
from training import calibration, settings
from training.baselines import scratch_models, scratch_results, scratch_training
from training.baselines.scratch_models import SCRATCH_MODELS
from training.dataset import Dataset
from training.features import pixels
from training.onnx_files import onnx_export
from training.settings import TrainingSettings

SETTINGS = TrainingSettings(models=("logistic", "cnn", "srm-cnn"), epochs=5, batch_size=16)
NAMES = ("logistic-64", "cnn-64", "srm-cnn-64")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("scratch") / "faces"
    records = face_records.write_toy_records(folder, 60)
    return Dataset(
        folder=folder,
        image_size=face_records.RECORD_SIDE_PX,
        records=records,
        train=manifest.select_accepted(records, "train"),
        validation=manifest.select_accepted(records, "validation"),
    )


@pytest.fixture(scope="module")
def logs(data):
    return data.folder.parent / "logs"


@pytest.fixture(scope="module")
def trained(data, logs):
    return scratch_training.train_scratch_baselines(data, 64, SETTINGS, logs)


def test_the_command_offers_what_the_table_holds():
    assert get_args(settings.ScratchModelName) == tuple(SCRATCH_MODELS)
    with pytest.raises(ValueError, match="--models is cnn cnn; name each model once"):
        TrainingSettings(models=("cnn", "cnn"))


@pytest.fixture
def attention() -> tuple[keras.Model, np.ndarray]:
    """The attention on seven channels with random weights, and maps to try it on."""
    keras.utils.set_random_seed(0)
    maps = keras.Input((5, 6, 7))
    model = keras.Model(maps, scratch_models.apply_style_attention(maps))
    generator = np.random.default_rng(0)
    model.set_weights([generator.uniform(0.5, 2, weight.shape) for weight in model.get_weights()])
    return model, generator.normal(size=(3, 5, 6, 7)).astype(np.float32)


def test_the_attention_is_the_one_of_the_paper(attention):
    model, maps = attention
    weights, gamma, beta, mean, variance = model.get_weights()
    assert weights.shape == (2, 7)  # the paper's two a channel; batch normalisation adds its own
    assert model.count_params() == 2 * 7 + 4 * 7
    style = weights[0] * maps.mean(axis=(1, 2)) + weights[1] * maps.std(axis=(1, 2))
    gate = 1 / (1 + np.exp(-(gamma * (style - mean) / np.sqrt(variance + 1e-3) + beta)))
    assert np.allclose(model.predict_on_batch(maps), maps * gate[:, None, None], atol=1e-5)


def test_every_gate_lies_between_0_and_1_and_depends_on_its_own_channel_only(attention):
    model, maps = attention
    gates = model.predict_on_batch(maps) / maps
    assert gates.min() > 0 and gates.max() < 1
    assert np.ptp(gates, axis=(1, 2)).max() < 1e-4  # one gate a channel
    other = maps.copy()
    other[..., 3] *= 5
    moved = np.abs(model.predict_on_batch(other) / other - gates).max(axis=(0, 1, 2))
    assert moved[3] > 0.01 and np.delete(moved, 3).max() < 1e-5


def test_attention_is_all_that_the_second_cnn_adds():
    plain, attentive = (scratch_models.build_scratch_model(name, 64) for name in ("cnn", "srm-cnn"))
    channels = sum(
        layer.filters for layer in plain.layers if isinstance(layer, keras.layers.Conv2D)
    )
    assert attentive.count_params() - plain.count_params() == (2 + 4) * channels


def test_cnns_learn_the_toy_task(trained, data):
    labels = data.encode_labels(data.validation)
    assert [baseline.name for baseline in trained] == [
        "logistic regression on pixels, 64 px",
        "CNN from scratch, 64 px",
        "CNN from scratch with SRM attention, 64 px",
    ]
    for baseline in trained[1:]:
        assert roc_auc_score(labels, baseline.probabilities) > 0.95, baseline.name


def test_the_saved_weights_are_the_best_epochs(trained, data):
    qualities = canonical.JUDGEMENT_QUALITIES
    images = np.concatenate(
        [
            pixels.load_judgement_pixels(data.folder, record, 64, qualities)
            for record in data.validation
        ]
    )
    for baseline in trained:
        outputs = baseline.model.predict(images, verbose=0).reshape(-1, len(qualities))
        assert np.allclose(
            calibration.combine_qualities(outputs)[0], baseline.probabilities, atol=1e-5
        )


def test_tensorboard_shows_how_soon_each_model_solves_the_task(trained, logs):
    assert {path.name for path in logs.iterdir()} == set(NAMES)
    for name in NAMES:
        events = EventAccumulator(str(logs / name)).Reload()
        curve = events.Scalars("first_epoch/validation_accuracy")
        # 80 images x 2 views in batches of 16.
        assert [point.step for point in curve] == list(range(1, 11))
        assert all(0 <= point.value <= 1 for point in curve)
        assert {"loss", "auc", "val_loss", "val_auc"} <= set(events.Tags()["scalars"])


def test_the_second_time_nothing_is_decoded_and_nothing_trained(
    trained, data, logs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(pixels, "load_canonical_view", None)
    again = scratch_training.train_scratch_baselines(data, 64, SETTINGS, tmp_path)
    assert capsys.readouterr().err.count("trained before") == 3
    for baseline, before in zip(again, trained, strict=True):
        assert np.array_equal(baseline.probabilities, before.probabilities)
        weights = baseline.model.get_weights(), before.model.get_weights()
        for weight, saved in zip(*weights, strict=True):
            assert np.array_equal(weight, saved)
    curves = [EventAccumulator(str(folder / "cnn-64")).Reload() for folder in (logs, tmp_path)]
    first, second = (
        [(p.step, p.value) for p in curve.Scalars("first_epoch/validation_accuracy")]
        for curve in curves
    )
    assert first == second


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip_bit(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize(
    "damage", [truncate, flip_bit, lambda _: b""], ids=["cut", "one bit", "empty"]
)
def test_a_saved_result_is_read_whole_or_not_at_all(trained, data, tmp_path, capsys, damage):
    (path,) = (data.folder / "searches").glob("cnn-64-*.npz")
    model, copy = scratch_models.build_scratch_model("cnn", 64), tmp_path / "copy.npz"
    copy.write_bytes(path.read_bytes())
    assert scratch_results.load_scratch_result(copy, model, len(data.validation)).seconds > 0
    copy.write_bytes(damage(path.read_bytes()))
    assert scratch_results.load_scratch_result(copy, model, len(data.validation)) is None
    assert not copy.exists()
    assert "copy.npz is damaged; training cnn-64 again" in capsys.readouterr().err


def test_a_damaged_result_is_trained_again(trained, data, tmp_path, capsys):
    only = TrainingSettings(models=("logistic",), epochs=5, batch_size=16)
    (path,) = (data.folder / "searches").glob("logistic-64-*.npz")
    path.write_bytes(flip_bit(path.read_bytes()))
    (baseline,) = scratch_training.train_scratch_baselines(data, 64, only, tmp_path)
    output = capsys.readouterr().err
    assert "is damaged; training logistic-64 again" in output and "trained before" not in output
    assert np.allclose(baseline.probabilities, trained[0].probabilities, atol=1e-3)
    assert scratch_training.train_scratch_baselines(data, 64, only, tmp_path)
    assert "trained before" in capsys.readouterr().err


@pytest.mark.parametrize("change", [{"seed": 1}, {"epochs": 7}, {"views": 1}, {"batch_size": 8}])
def test_other_settings_are_another_training(trained, data, tmp_path, monkeypatch, change):
    def trains(*_):
        raise InterruptedError

    monkeypatch.setattr(scratch_training, "_train_scratch_model", trains)
    monkeypatch.setattr(scratch_training, "_load_training_arrays", lambda *_: ())
    words = {"models": ("logistic",), "epochs": 5, "batch_size": 16} | change
    with pytest.raises(InterruptedError):
        scratch_training.train_scratch_baselines(data, 64, TrainingSettings(**words), tmp_path)


@pytest.mark.slow
def test_files_answer_alike_in_plain_keras_and_in_onnx_with_the_resize_inside(tmp_path):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    answers = {}
    for name in SCRATCH_MODELS:
        model = scratch_models.wrap_as_detector(scratch_models.build_scratch_model(name, 48), 64)
        weights = model.get_weights()
        model.set_weights(
            [w if w.shape == (64, 48) else w + generator.normal(0, 0.03, w.shape) for w in weights]
        )
        onnx_export.export_onnx(model, tmp_path / f"{name}.onnx")
        assert (
            onnx_export.measure_parity(model, tmp_path / f"{name}.onnx")
            < onnx_export.MAX_PARITY_ERROR
        )
        model.save(tmp_path / f"{name}.keras")
        answers[name] = model.predict_on_batch(x).ravel()
        assert np.ptp(answers[name]) > 1e-4, name
    program = (
        f"import keras, numpy\nx = numpy.load('x.npy')\nfor name in {list(SCRATCH_MODELS)}:\n"
        "    model = keras.saving.load_model(name + '.keras')\n"
        "    print(numpy.asarray(model.predict_on_batch(x)).ravel().tolist())"
    )
    # From a folder where our packages are not on the path.
    words = [sys.executable, "-I", "-c", program]
    done = subprocess.run(
        words, cwd=tmp_path, env=build_environment(PYTHONPATH=""), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for line, (name, expected) in zip(done.stdout.splitlines(), answers.items(), strict=True):
        assert np.allclose(eval(line), expected, atol=1e-6), name
