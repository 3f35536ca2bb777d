"""The list of ONNX operators is what exports of every base, head and baseline consist of."""

import types

import numpy as np
import onnx
import pytest

from runtime import hashing
from toys.bases import use_narrow_towers
from training import onnx_models
from training.baselines import linear, scratch_models
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly
from training.features import layout
from training.head_search import heads
from training.head_search.head_spec import HeadSpec
from training.model_checks import safe_onnx
from training.model_checks.allowed_operators import ALLOWED_OPERATORS

pytestmark = pytest.mark.slow

SIDE = 128


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        use_narrow_towers(patch)
        patch.setenv("TELLTALE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def export_detector(model, path) -> frozenset[str]:
    """Export a detector, have it looked into, and return its operators."""
    onnx_models.export_onnx(model, path)
    return look_into(path)


def look_into(path) -> frozenset[str]:
    data = path.read_bytes()
    safe_onnx.check_onnx_file(data, hashing.hash_bytes(data), SIDE, path)
    return frozenset(node.op_type for node in onnx.load_model_from_string(data).graph.node)


def build_member(columns, generators: tuple[str, ...], layers: int) -> assembly.EnsembleMember:
    """Build a head of every part that a search may choose."""
    width = max(column.stop for column in columns)
    statistics = np.zeros(width, np.float32), np.ones(width, np.float32)
    features = types.SimpleNamespace(generators=generators, mean_and_variance=statistics)
    spec = HeadSpec(
        base="",
        signals=(),
        taps="",
        sizes=(),
        statistics=(),
        layers=layers,
        units=4 * layers,
        dropout=0.1,
        weight_decay=0.0,
        learning_rate=0.0,
    )
    head = heads.build_uncompiled_head(features, columns, spec, name=f"head{layers}")
    return assembly.EnsembleMember(columns, heads.combine_generator_outputs(head), 0.5)


def build_part(name: str) -> assembly.DetectorPart:
    """Build all taps of a base at one size, from every signal, under two heads."""
    spec, base = BASE_MODELS[name], LoadedBase.from_model(build_base(name))
    size = max(64, spec.min_size_px)
    columns = layout.list_columns(base, (size,), spec.signals)
    members = [build_member(columns, ("a", "b"), 0), build_member(columns, (), 2)]
    return assembly.DetectorPart(base, members)


@pytest.fixture(scope="module")
def operators(tmp_path_factory) -> dict[str, frozenset[str]]:
    """Return the operators of every export by name; each has passed the look."""
    folder = tmp_path_factory.mktemp("exports")
    path, found = folder / "detector.onnx", {}
    for name in BASE_MODELS:
        model = assembly.build_joint_model([build_part(name)], SIDE)
        found[name] = export_detector(model, path)
    parts = [build_part(name) for name in ("mobilenet_v2", "clip_vit_b16")]
    found["two bases"] = export_detector(assembly.build_joint_model(parts, SIDE), path)
    for name in scratch_models.SCRATCH_MODELS:
        model = scratch_models.build_scratch_model(name, 64)
        found[name] = export_detector(scratch_models.wrap_as_detector(model, SIDE), path)
    found["linear"] = _export_linear(folder)
    return found


def _export_linear(folder) -> frozenset[str]:
    base = LoadedBase.from_model(build_base("mobilenet_v2"))
    model = layout.build_extractor_model(base, (64,), SIDE)
    onnx_models.export_onnx(model, folder / "features.onnx")
    baseline = types.SimpleNamespace(weights=np.zeros(model.output_shape[1]), bias=0.0)
    linear.export_linear_baseline(baseline, folder / "features.onnx", folder / "linear.onnx")
    return look_into(folder / "linear.onnx")


def test_every_export_of_a_base_head_and_baseline_passes_the_look(operators):
    missing = {name: found - ALLOWED_OPERATORS for name, found in operators.items()}
    assert not any(missing.values()), missing


def test_no_operator_is_allowed_that_no_export_has(operators):
    assert not ALLOWED_OPERATORS - frozenset().union(*operators.values())
