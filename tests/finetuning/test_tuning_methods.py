"""Every way of tuning a vision transformer moves its own weights alone, and leaves a plain one."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

from finetuning import depth_search, save_detector, tuning_methods, unfreezing
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_training import DepthTrial
from finetuning.depth_trials import DepthHyperModel
from finetuning.settings import FinetuningSettings
from finetuning.tuning_methods import TUNING_METHODS
from finetuning.unfreezing import Guard, GuardError, split_into_blocks, unfreeze_blocks
from runtime import console
from training.bases import loaded_base
from training.bases import weights as base_weights
from training.bases.tower_presets import TOWER_PRESETS
from training.detectors import saved_models, shared_base
from training.detectors.assembly import EnsembleMember
from training.detectors.card import read_card
from training.detectors.card_fields import BaseDescription
from training.detectors.detector_parts import DetectorParts
from training.features import layout
from training.gain_test import GainTest

SIDE_PX = 64
BASE = BaseDescription(
    name="clip_vit_b16",
    origin="random",
    sha256=base_weights.RANDOM_WEIGHTS_ID,
    note="random weights",
    sizes=(SIDE_PX,),
    signals=("picture",),
)
VALUES = {
    "depth": 1,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "weight_decay": 1e-6,
    "batch_size": 16,
    "label_smoothing": 0.0,
    "augmentation": "none",
}
DENSE = {f"block2_{part}" for part in ("query", "key", "value", "merge", "expand", "contract")}
NORMS = {"block2_norm1", "block2_norm2"}


@pytest.fixture(scope="module", autouse=True)
def small_tower():
    """CLIP's tower with three narrow blocks, for pictures of the toy's size."""
    with pytest.MonkeyPatch.context() as patch:
        preset = TOWER_PRESETS[BASE.name]
        tower = dataclasses.replace(preset.tower, side=SIDE_PX, width=16, heads=2, hidden=32)
        tower = dataclasses.replace(tower, blocks=3)
        patch.setitem(TOWER_PRESETS, BASE.name, dataclasses.replace(preset, tower=tower))
        yield
    shared_base._list_array_bytes.cache_clear()


@pytest.fixture
def parts(small_tower, session_parts) -> DetectorParts:
    """A detector on the tower, beside the files of the toy."""
    base = loaded_base.load_base(base_weights.find_base_weights(BASE.name, "random"))
    columns = [c for c in layout.list_columns(base, (SIDE_PX,)) if c.tap in ("block1", "block2")]
    head = keras.Sequential(
        [keras.Input((sum(c.stop - c.start for c in columns),)), keras.layers.Dense(1)],
        name="head1",
    )
    return DetectorParts(
        folder=session_parts.folder,
        card=replace(session_parts.card, base=BASE),
        base=base,
        members=[EnsembleMember(columns, head, 1.0)],
        saved_weights=[model.get_weights() for model in (base.model, head)],
    )


@pytest.fixture
def make_hypermodel(parts, data, tmp_path):
    def make(**options) -> DepthHyperModel:
        folders = {name: tmp_path / name for name in ("saved_models", "logs")}
        options = {"epochs": 1, "warmup": 0, "views": 1, "tuner": "random", **options}
        settings = FinetuningSettings(**folders, **options)
        return DepthHyperModel(parts, data, split_into_blocks(parts.base), 2, settings)

    return make


def train(hypermodel: DepthHyperModel, **changes) -> DepthTrial:
    values = {**VALUES, **changes}
    return hypermodel.train_trial(hypermodel.build_tail(values["depth"]), values, 0, None)


def find_changes(parts: DetectorParts) -> Iterator[tuple[str, str]]:
    """Yield layer and name of every weight of the base that differs from the saved one."""
    weights = zip(parts.base.model.weights, parts.saved_weights[0], strict=True)
    for weight, saved in weights:
        if not np.array_equal(unfreezing.copy_weight(weight), saved):
            yield tuple(weight.path.split("/")[-2:])


def is_plain(parts: DetectorParts) -> bool:
    """Return whether the base has as many weights as it was saved with, and no layer a LoRA."""
    layers = parts.base.model.layers
    return len(parts.base.model.weights) == len(parts.saved_weights[0]) and not any(
        getattr(layer, "lora_enabled", False) or layer.get_config().get("lora_rank")
        for layer in layers
    )


def list_changed_arrays(method: str) -> set[tuple[str, str]]:
    """Return layer and name of all weights of block2 that a method may change."""
    norms = {(layer, name) for layer in NORMS for name in ("gamma", "beta")}
    kernels = {(layer, "kernel") for layer in DENSE}
    biases = {(layer, "bias") for layer in DENSE}
    return {"norms": norms, "lora": kernels, "blocks": norms | kernels | biases}[method]


@pytest.mark.parametrize("method", TUNING_METHODS)
def test_a_method_moves_its_weights_alone_and_the_saved_detector_is_a_plain_one(
    make_hypermodel, method, tmp_path, monkeypatch
):
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    hypermodel = make_hypermodel(warmup=1)
    parts = hypermodel.parts
    best = train(hypermodel, method=method)
    changed = set(find_changes(parts))
    # the bias of the keys has no gradient: the softmax does not see it
    assert changed | {("block2_key", "bias")} == list_changed_arrays(method) | {
        ("block2_key", "bias")
    }
    (change,) = best.changes
    # a LoRA has 8 numbers for every input and every output of a dense layer
    n_tuned = {"norms": 64, "lora": 8 * (4 * 32 + 2 * 48), "blocks": 64 + 4 * 272 + 1072}[method]
    n_head = sum(weight.size for weight in parts.members[0].head.get_weights())
    assert (change.block, change.parameters) == ("block2", n_tuned) and change.largest > 0
    assert best.trainable_parameters == n_tuned + n_head
    trained = parts.copy_weights()[0]
    folder = save_trial(hypermodel, best)
    card = read_card(folder)
    assert card.search.finetuning.values["method"] == method
    verb = {"blocks": "", "norms": " (normalisations alone)", "lora": " (LoRA of rank 8)"}[method]
    assert card.base.note == f"random weights; block2 fine-tuned{verb}"
    row = json.loads((folder / "leaderboard.jsonl").read_text().splitlines()[1])
    assert (row["depth"], row["method"]) == (1, method)
    detector = keras.saving.load_model(
        saved_models.verify_model_file(folder, card, saved_models.KERAS_FILE)
    )
    saved = detector.get_layer(BASE.name).get_weights()
    assert all(np.array_equal(new, old) for new, old in zip(saved, trained, strict=True))
    # the patches' kernel and positions and six kernels of each block that kept them are not saved
    header = json.loads((folder / "detector.onnx.parts").read_bytes().partition(b"\n")[0])
    assert len(header["shared"]) == 2 + 6 * (3 if method == "norms" else 2)
    shared_base.restore_file.cache_clear()


def save_trial(hypermodel: DepthHyperModel, best: DepthTrial) -> Path:
    source = DepthTrial(depth=0, values={}, loss=1.0, auc=0.5)
    gain = GainTest(gain=0.5, seeds=3, seed_p=0.01, lower=0.2)
    result = DepthSearchResult(source, [best], [best], gain)
    save_detector.save_finetuned_detector("tuned", result, hypermodel, "")
    return hypermodel.settings.saved_models / "tuned"


def test_merged_matrices_give_the_outputs_that_they_gave(parts):
    x = np.random.default_rng(0).normal(size=(4, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    before = np.asarray(parts.base.model(x))
    layers = [layer for block in split_into_blocks(parts.base)[:2] for layer in block.layers]
    with TUNING_METHODS["lora"].add_matrices(layers):
        assert np.array_equal(parts.base.model(x), before)
        move_matrices(layers)
        trained = np.asarray(parts.base.model(x))
    assert is_plain(parts)
    merged = np.asarray(parts.base.model(x))
    assert np.abs(merged - trained).max() <= 1e-5 < 0.01 < np.abs(trained - before).max()


def move_matrices(layers: Iterable[keras.Layer]) -> None:
    for layer in (layer for layer in layers if isinstance(layer, keras.layers.Dense)):
        layer.lora_kernel_b.assign(keras.ops.full(layer.lora_kernel_b.shape, 0.03))


@pytest.mark.slow
def test_a_trial_in_mixed_precision_merges_in_full_precision(make_hypermodel):
    hypermodel = make_hypermodel(precision="mixed_bfloat16")
    train(hypermodel, method="lora")
    kernels = [layer.kernel for layer in hypermodel.parts.base.model.layers if layer.name in DENSE]
    for kernel in kernels:
        rounded = keras.ops.cast(keras.ops.cast(kernel, "bfloat16"), "float32")
        assert np.abs(np.asarray(kernel) - np.asarray(rounded)).max() > 0


def test_a_trial_that_failed_leaves_nothing_to_the_next_and_a_seed_draws_the_same_matrices(
    make_hypermodel,
):
    hypermodel = make_hypermodel()
    first = train(hypermodel, method="lora")
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="The loss became NaN"):
        train(hypermodel, method="lora", learning_rate=1e30)
    assert is_plain(hypermodel.parts)
    assert train(hypermodel, method="lora").loss == pytest.approx(first.loss, rel=1e-6)
    hypermodel.parts.restore_weights()
    assert not list(find_changes(hypermodel.parts))


@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        ("lora", "kernel", "Dense of block2 must keep its kernel with the method lora"),
        ("lora", "bias", "Dense of block2 must keep its bias with the method lora"),
        ("norms", "kernel", "Dense of block2 must keep its kernel with the method norms"),
    ],
)
@pytest.mark.parametrize("fault", ["changed", "trainable"])
def test_the_guard_sees_a_weight_that_the_method_leaves_alone(parts, method, name, message, fault):
    """Unfreezing a layer makes the kernel below its LoRA trainable again."""
    blocks, method = split_into_blocks(parts.base), TUNING_METHODS[method]
    with method.add_matrices(blocks[0].layers):
        unfreeze_blocks(parts.base, blocks[:1], method)
        guard = Guard(blocks, 1, method)
        for weight in parts.base.model.trainable_weights:
            weight.assign(weight + 0.01)
        (change,) = guard.check(parts.base.model)
        assert change.largest == pytest.approx(0.01, rel=1e-3)
        layer = parts.base.model.get_layer("block2_query")
        (weight,) = [weight for weight in layer.weights if weight.name == name]
        if fault == "changed":
            weight.assign(weight + 1e-6)
        else:
            layer.trainable = False  # Keras does nothing if it is True already
            layer.trainable = True
            for other in layer.weights:
                other.trainable = other.trainable and (other is weight or "lora" in other.name)
        with pytest.raises(GuardError, match=message):
            guard.check(parts.base.model)


def test_the_guard_sees_matrices_that_did_not_train(parts):
    blocks, method = split_into_blocks(parts.base), TUNING_METHODS["lora"]
    with method.add_matrices(blocks[0].layers):
        unfreeze_blocks(parts.base, blocks[:1], method)
        guard = Guard(blocks, 1, method)
        with pytest.raises(GuardError, match="trains 12 of its 28 weights and 0 changed"):
            guard.check(parts.base.model)


def test_a_search_proposes_every_method_logs_it_and_resumes(make_hypermodel, tmp_path):
    folders = tmp_path / "searches", tmp_path / "logs"
    hypermodel = make_hypermodel(trials=3)
    trials = depth_search.search_depths(hypermodel, *folders)
    tried = {(trial.values["method"], trial.depth) for trial in trials}
    assert tried == {("blocks", 1), ("norms", 2), ("lora", 1)}
    assert depth_search.search_depths(hypermodel, *folders) == trials
    events = list(folders[1].rglob("events.*"))
    assert any(b"norms" in path.read_bytes() for path in events)
    chosen = ((), ("norms",), ("lora",))
    hypermodels = [make_hypermodel(trials=3, methods=methods) for methods in chosen]
    assert len({depth_search._make_search_name(hypermodel) for hypermodel in hypermodels}) == 3


def test_a_base_takes_the_methods_that_it_has_layers_for():
    def names(base: str, *chosen: str) -> list[str]:
        return [method.name for method in tuning_methods.select_methods(base, chosen)]

    assert names("mobilenet_v2") == names("convnext_tiny") == ["blocks"]
    assert all(names(base) == ["blocks", "norms", "lora"] for base in TOWER_PRESETS)
    assert names("siglip_base", "lora", "norms") == ["lora", "norms"]
    with pytest.raises(
        console.PlainError,
        match=r"--methods is blocks lora, but xception does not take lora; choose of blocks\.",
    ):
        names("xception", "blocks", "lora")
    with pytest.raises(ValueError, match="--methods is lora lora; name each method once"):
        FinetuningSettings(methods=("lora", "lora"))
