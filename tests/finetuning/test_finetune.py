"""The fine-tuning command: its output, its files, its errors."""

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest
from finetuning import depth_search, finetune, save_detector, unfreezing
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_training import DepthTrial
from finetuning.depth_trials import DepthHyperModel
from finetuning.settings import FinetuningSettings
from finetuning.source_detector import choose_source
from runtime import console
from toys.commands import build_environment, run_command
from toys.datasets import write_toy_audit
from toys.images import encode_image, make_image
from toys.saved_detectors import copy_detector
from training import calibration
from training.attribution.attribution import AttributionCounts, GeneratorAttribution
from training.detectors import detector_parts, ready_detectors
from training.detectors.card import read_card
from training.features import pixels
from training.gain_test import GainTest
from training.head_search import tuner_runs
from training.onnx_files import onnx_models

COMMAND = (
    "finetuning",
    "--model",
    "toy",
    "--trials",
    2,
    "--epochs",
    2,
    "--repeats",
    3,
    "--max-depth",
    2,
)


@pytest.fixture(scope="module")
def finetuned(workplace, tmp_path_factory) -> Path:
    """A copy of the workplace where the toy was fine-tuned, and the command's output; files of the
    hold-out had other names meanwhile."""
    folder = tmp_path_factory.mktemp("finetuned") / "workplace"
    shutil.copytree(workplace, folder)
    data = folder / "data" / "faces"
    hold_out = [
        data / file
        for record in manifest.select_accepted(manifest.read_manifest(data), "hold-out")
        for file in (record.original, record.image)
    ]
    hidden = [(path, path.with_name(f"away-{path.name}")) for path in hold_out]
    assert hidden
    for path, hidden_path in hidden:
        path.rename(hidden_path)
    process = run_command(*COMMAND, "--name", "deeper", cwd=folder)
    for path, hidden_path in hidden:
        hidden_path.rename(path)
    assert process.returncode == 0, process.stderr
    (folder / "finetuning.txt").write_text(process.stdout + process.stderr)
    return folder


def read_output(folder: Path) -> str:
    return " ".join((folder / "finetuning.txt").read_text().split())


def test_depth_0_competes_and_the_verdict_is_plain(finetuned):
    output = read_output(finetuned)
    assert "0: unchanged" in output and "The best trial with 3 fresh seeds: loss" in output
    assert "Largest weight change per unfrozen block: top by" in output
    helped = "Fine-tuning helped" in output
    assert helped != ("Fine-tuning did not help" in output)
    assert (finetuned / "saved_models" / "deeper").exists() == helped


def test_the_hold_out_is_not_read(finetuned):
    splits = json.loads((finetuned / "data" / "faces" / "splits.json").read_text())
    assert splits["hold_out_opened"] == []  # and its files were hidden while the fixture ran


def test_frozen_blocks_run_once_per_depth_and_a_second_command_runs_none(finetuned):
    before, _, _ = read_output(finetuned).partition(" forward passes through frozen blocks")
    assert int(before.rpartition(" ")[2]) in (
        160,
        320,
    )  # one depth or two: 68 images in 2 views, 12 as judged
    process = run_command(*COMMAND, "--name", "again", cwd=finetuned)
    assert process.returncode == 0, process.stderr
    assert (
        "2 trials, 2 of them done before." in process.stderr
        and "0 forward passes through frozen blocks" in process.stderr
    )


def test_tensorboard_has_a_run_for_every_trial_and_every_seed(finetuned):
    logs = finetuned / "logs" / "finetuning"
    trials = [path.parent for path in (logs / "faces-search").rglob("events.*")]
    assert len(trials) == 2
    assert {path.name for path in (logs / "deeper").iterdir()} >= {"seed1", "seed2", "seed3"}
    assert "val_calibrated_loss" in EventAccumulator(str(trials[0])).Reload().Tags()["scalars"]


def save_deeper(hypermodel: DepthHyperModel, depth: int) -> None:
    """Train one trial, as if its gain had been measured, and save it as `deeper`."""
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    values = {**hp.values, "depth": depth, "learning_rate": 1e-3}
    best = hypermodel.train_trial(hypermodel.build_tail(depth), values, 0, None)
    save_detector.save_finetuned_detector(
        "deeper",
        DepthSearchResult(
            DepthTrial(depth=0, values={}, loss=1.0, auc=0.5),
            [best],
            [best, best],
            GainTest(gain=0.5, seeds=3, seed_p=0.01, lower=0.2),
        ),
        hypermodel,
        "",
    )


@pytest.mark.slow
def test_a_saved_detector_loads_in_plain_keras_names_its_source_and_is_validated_beside_it(
    workplace, data, toy, toy_blocks, tmp_path
):
    own = replace(data, folder=shutil.copytree(workplace / "data", tmp_path / "data") / "faces")
    write_toy_audit(own.folder, "AMBER", toy.card.image_size)
    settings = FinetuningSettings(
        repeats=2, epochs=1, trials=1, saved_models=tmp_path / "models", logs=tmp_path / "logs"
    )
    hypermodel = DepthHyperModel(toy, own, toy_blocks, 2, settings)
    save_deeper(hypermodel, 2)
    weights = toy.copy_weights()
    folder = tmp_path / "models" / "deeper"
    card = json.loads((folder / "card.json").read_text())
    assert card["search"]["source_detector"] == "toy"
    assert card["search"]["finetuning"]["blocks"] == ["top", "block16"]
    assert card["search"]["finetuning"]["changes"][1]["largest"] > 0
    assert card["search"]["finetuning"]["gain"]["lower"] == 0.2
    assert set(card["baselines"]) == {"before fine-tuning: toy", *toy.card.baselines}
    assert card["baselines"]["before fine-tuning: toy"]["metrics"] == {
        name: pytest.approx(value, abs=1e-5) for name, value in asdict(toy.card.metrics).items()
    }
    assert card["base"]["note"].endswith("top, block16 fine-tuned")
    assert card["audit_status"] == "AMBER" != toy.card.audit_status
    detector = keras.saving.load_model(folder / "detector.keras")
    saved = detector.get_layer("mobilenet_v2").get_weights()
    assert all(np.array_equal(new, best) for new, best in zip(saved, weights[0], strict=True))
    assert any(
        not np.array_equal(new, old) for new, old in zip(saved, toy.saved_weights[0], strict=True)
    )
    process = run_command("validation", "--saved-models", "models", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "before fine-tuning: toy" in " ".join(process.stdout.split())


def test_a_detector_that_names_generators_names_none_once_its_heads_were_tuned(
    data, toy, toy_blocks, tmp_path
):
    """Its card says how to name them from the outputs of the untuned heads, and how often that was
    right."""
    names = ("diffusion", "gan")
    counts = tuple(
        AttributionCounts(generator=name, images=20, groups=20, own=15, none=3) for name in names
    )
    attribution = GeneratorAttribution(
        generators=names,
        kernel=((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),
        bias=(0.0, 0.0, 0.0),
        cut=0.5,
        known=counts,
        left_out=counts,
        tensors=("outputs",),
    )
    card = replace(
        toy.card, attribution=attribution, search=replace(toy.card.search, generators=names)
    )
    settings = FinetuningSettings(
        repeats=2, epochs=1, trials=1, saved_models=tmp_path / "models", logs=tmp_path / "logs"
    )
    save_deeper(DepthHyperModel(replace(toy, card=card), data, toy_blocks, 1, settings), 1)
    tuned = read_card(tmp_path / "models" / "deeper")
    assert tuned.search.source_detector == "toy"
    assert tuned.attribution is None and tuned.make_statement().generator_means == ""


def test_a_missing_or_altered_detector_is_not_opened(workplace, tmp_path):
    process = run_command("finetuning", "--model", "tyo", cwd=workplace)
    assert process.returncode == 8, process.stderr
    assert "Did you mean saved_models/toy?" in " ".join(process.stderr.split())
    shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")
    with (tmp_path / "toy" / "detector.keras").open("ab") as file:
        file.write(b"more")
    with pytest.raises(console.PlainError, match="was altered since it was saved"):
        detector_parts.load_detector_parts(tmp_path / "toy")


def test_a_data_set_other_than_the_detectors_own_must_be_accepted(workplace, toy, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    folder = tmp_path / "data" / "faces"
    first, *rest = manifest.select_accepted(manifest.read_manifest(folder), "train")
    manifest.replace_records(
        folder, [record for record in manifest.read_manifest(folder) if record.id != first.id]
    )
    settings = FinetuningSettings(dataset=folder, data=tmp_path / "data")
    with pytest.raises(console.PlainError, match="give --accept-other-data"):
        finetune.load_detector_dataset(toy, settings)
    other = finetune.load_detector_dataset(toy, replace(settings, accept_other_data=True))
    assert len(other.train) == len(rest)
    assert "may have seen images that are held out here" in finetune.describe_other_data(toy, other)


def test_a_ready_detector_asks_for_a_data_set_of_ones_own_and_accepts_it(
    workplace, toy, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # the repository has a detector of this name
    monkeypatch.setattr(ready_detectors, "READY_FOLDER", tmp_path)
    folder = shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "telltale-faces")
    settings = FinetuningSettings(model=Path("telltale-faces"), data=tmp_path / "data")
    with pytest.raises(console.PlainError, match=r"Collect some of your own .*--dataset data/mine"):
        finetune.finetune_detector(settings)
    mine = shutil.copytree(workplace / "data" / "faces", tmp_path / "data" / "mine")
    first, *others = manifest.read_manifest(mine)
    manifest.replace_records(mine, others)
    source, accepted = choose_source(replace(settings, dataset=mine))
    assert source.samefile(folder)
    assert accepted.accept_other_data  # the card says so, and validation with it
    data = finetune.load_detector_dataset(toy, accepted)
    assert first.id not in {record.id for record in data.records}
    other = replace(toy, card=replace(toy.card, crop="face"))
    with pytest.raises(console.PlainError, match="needs --crop face. Collect one with --crop face"):
        finetune.load_detector_dataset(other, accepted)


def test_on_another_data_set_the_sources_baselines_are_left_out_and_the_source_is_scored_again(
    data, toy, toy_blocks, tmp_path
):
    other = replace(
        data, records=data.records[1:], validation=data.validation[:8] + data.validation[-8:]
    )
    hypermodel = DepthHyperModel(toy, other, toy_blocks, 1, FinetuningSettings())
    hypermodel.boundaries.load(1)
    toy.restore_weights([[weight * 2 for weight in weights] for weights in toy.saved_weights])
    labels = other.encode_labels(other.validation)
    ((name, baseline),) = save_detector.copy_baselines(hypermodel, labels, tmp_path).items()
    assert name == "before fine-tuning: toy"
    assert [path.name for path in tmp_path.rglob("*.onnx")] == ["source-detector.onnx"]
    side = toy.card.image_size
    qualities = toy.card.qualities
    images = np.concatenate(
        [
            pixels.load_judgement_pixels(data.folder, record, side, qualities)
            for record in other.validation
        ]
    )
    outputs = onnx_models.open_onnx(tmp_path / baseline.file)(images.astype(np.float32))
    probabilities = calibration.combine_qualities(outputs.reshape(-1, len(qualities)))[0]
    assert asdict(baseline.metrics) == {
        name: pytest.approx(value, abs=1e-4)
        for name, value in asdict(calibration.compute_scores(probabilities, labels)).items()
    }
    weights = toy.copy_weights()[0]
    assert all(
        np.array_equal(new, 2 * old) for new, old in zip(weights, toy.saved_weights[0], strict=True)
    )


def test_an_altered_image_stops_it(data, toy, toy_blocks, tmp_path):
    shutil.copytree(data.folder, tmp_path / "data", ignore=shutil.ignore_patterns("boundaries"))
    (tmp_path / "data" / data.train[0].original).write_bytes(encode_image(make_image(77)))
    hypermodel = DepthHyperModel(
        toy, replace(data, folder=tmp_path / "data"), toy_blocks, 1, FinetuningSettings()
    )
    with pytest.raises(console.PlainError, match="was altered since it was collected"):
        hypermodel.evaluate_source()


def test_a_nan_loss_fails_the_trial_with_its_reason(data, toy, toy_blocks):
    hypermodel = DepthHyperModel(toy, data, toy_blocks, 1, FinetuningSettings(epochs=2, warmup=0))
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    with pytest.raises(
        keras_tuner.errors.FailedTrialError, match="The loss became NaN at a learning rate of 1.0e"
    ):
        hypermodel.train_trial(
            hypermodel.build_tail(1), {**hp.values, "learning_rate": 1e30}, 0, None
        )


def test_the_repeats_have_fresh_seeds_and_the_first_is_saved(data, toy, toy_blocks, tmp_path):
    settings = FinetuningSettings(repeats=2, epochs=1, warmup=0, views=1, seed=5)
    hypermodel = DepthHyperModel(toy, data, toy_blocks, 1, settings)
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    values = {**hp.values, "depth": 1}
    trial = hypermodel.train_trial(hypermodel.build_tail(1), values, 5, None)
    repeats, gain = depth_search.train_with_seeds(hypermodel, trial, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed6", "seed7"]
    saved = hypermodel.compute_logits(1)
    hypermodel.train_trial(hypermodel.build_tail(1), values, 6, None)
    assert np.allclose(saved, hypermodel.compute_logits(1), atol=1e-5)
    assert (len(repeats), gain.seeds, gain.is_gain) == (2, 2, False)
    assert "too few to tell a gain from noise" in gain.describe()


@pytest.mark.slow
def test_the_same_command_resumes_a_killed_search(workplace, tmp_path):
    folder = tmp_path / "workplace"
    shutil.copytree(workplace, folder)
    words = ("finetuning", "--model", "toy", "--trials", 4, "--epochs", 2, "--repeats", 1)
    words += ("--max-depth", 2, "--name", "deeper")
    options = {
        "cwd": folder,
        "env": build_environment(),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    with subprocess.Popen([sys.executable, "-m", *map(str, words)], **options) as killed:
        next(line for line in killed.stderr if line.startswith("trial   1/4"))
        time.sleep(0.5)
        killed.send_signal(signal.SIGKILL)
    process = run_command(*words, cwd=folder)
    assert process.returncode == 0, process.stderr
    assert "of them done before" in process.stderr
    n_done = int(process.stderr.partition(" of them done before")[0].rpartition(" ")[2])
    assert n_done + process.stderr.count("/4  calibrated_loss ") == 4


@pytest.mark.slow
def test_the_guard_runs_in_every_trial(data, toy, toy_blocks, monkeypatch):
    hypermodel = DepthHyperModel(toy, data, toy_blocks, 1, FinetuningSettings(epochs=1))
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    monkeypatch.setattr(
        "finetuning.depth_trials.unfreeze_blocks",
        lambda base, *_: unfreezing.unfreeze_blocks(base, []),
    )
    with pytest.raises(unfreezing.GuardError, match="top was unfrozen"):
        hypermodel.train_trial(hypermodel.build_tail(1), {**hp.values, "depth": 1}, 0, None)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result_and_another_seed_another(data, toy, toy_blocks):
    hypermodel = DepthHyperModel(toy, data, toy_blocks, 1, FinetuningSettings(epochs=3))
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    values = {**hp.values, "depth": 1, "learning_rate": 1e-2}
    first, other, again = (
        hypermodel.train_trial(hypermodel.build_tail(1), values, seed, None).loss
        for seed in (0, 1, 0)
    )
    assert first == pytest.approx(again, rel=1e-5)
    assert abs(first - other) > 1e-3 * first


@pytest.mark.slow
def test_mixed_precision_gives_a_similar_loss_and_the_detector_stays_in_float32(
    data, toy, toy_blocks
):
    losses = []
    # At a rate of 1e-3 rounding leads to another minimum: losses of five seeds differ by -4 to 11%.
    for precision in ("float32", "mixed_bfloat16"):
        hypermodel = DepthHyperModel(
            toy, data, toy_blocks, 2, FinetuningSettings(epochs=1, precision=precision)
        )
        hp = keras_tuner.HyperParameters()
        hypermodel.build(hp)
        losses.append(
            hypermodel.train_trial(
                hypermodel.build_tail(2), {**hp.values, "depth": 2, "learning_rate": 3e-4}, 0, None
            ).loss
        )
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.01)
    policies = {layer.dtype_policy.name for layer in toy.base.model.layers}
    assert policies == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bayesian", "random"])
def test_every_depth_and_every_method_is_tried_before_any_is_tried_twice(name, tmp_path):
    methods = ["blocks", "norms", "lora"]

    class Depths(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Int("depth", 1, 4)
            hp.Choice("method", methods)
            for name in ("learning_rate", "weight_decay", "dropout"):
                hp.Float(name, 1e-5, 1e-3, sampling="log")
            return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

        def fit(self, hp, model, *args, **kwargs):
            tried.append((hp.get("depth"), hp.get("method")))
            return {"calibrated_loss": abs(hp.get("depth") - 3) + hp.get("learning_rate")}

    def search(max_depth: int) -> keras_tuner.Tuner:
        tried.clear()
        oracle = depth_search.make_depth_oracle(name, max_depth, methods, 12, 0)
        folder = f"search{max_depth}"
        tuner = keras_tuner.Tuner(oracle, Depths(), directory=tmp_path, project_name=folder)
        tuner_runs.run_tuner(tuner, tmp_path / folder)
        return tuner

    tried: list[tuple[int, str]] = []
    search(1)
    assert tried[:3] == [(1, "blocks"), (1, "norms"), (1, "lora")]
    tuner = search(4)
    assert tried[:4] == [(1, "blocks"), (2, "norms"), (3, "lora"), (4, "blocks")]
    assert len(tried) == 12
    if name == "bayesian":  # KerasTuner's default would propose all twelve at random
        assert len(tuner.oracle.gpr.X_train_) >= 6


def test_a_detector_on_several_bases_is_refused_in_one_sentence(workplace, tmp_path):
    toy = workplace / "saved_models" / "toy"
    more = (replace(read_card(toy).base, name="clip_vit_b16"),)
    copy_detector(toy, tmp_path / "both", more_bases=more)
    settings = FinetuningSettings(model=Path("both"), saved_models=tmp_path)
    with pytest.raises(
        console.PlainError, match=r"both spans mobilenet_v2 and clip_vit_b16; .* --span-bases\.$"
    ):
        finetune.finetune_detector(settings)
