"""The table of ONNX operators is that of our exports: every base, head and baseline is exported.

Bases have random weights and are cut above the first tap under which every kind of layer stands;
blocks above it repeat these.
"""

import types

import numpy as np
import onnx
import pytest

from toys.bases import use_narrow_towers
from training.baselines import linear, scratch_models
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly
from training.features import layout
from training.head_search import heads
from training.head_search.head_spec import HeadSpec
from training.model_checks import allowed_operators
from training.model_checks.allowed_operators import ALLOWED_OPERATORS, UNUSED_OPERATORS
from training.onnx_files import onnx_export

pytestmark = pytest.mark.slow

SIDE = 96

JOINT_BASES = ("resnet18", "siglip_base")
"""Exported together, as one detector on two bases."""


@pytest.fixture(scope="module", autouse=True)
def narrow_towers():
    with pytest.MonkeyPatch.context() as patch:
        use_narrow_towers(patch)
        yield


def read_operators(path, side: int) -> frozenset[str]:
    """Return the operators of an exported detector; the rest of it has to pass the check."""
    model = onnx.load(str(path))
    operators = frozenset(node.op_type for node in model.graph.node)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allowed_operators, "ALLOWED_OPERATORS", ALLOWED_OPERATORS | operators)
        allowed_operators.check_onnx_model(model, side)
    return operators


def describe_layer(layer) -> tuple[str, ...]:
    traits = (getattr(layer, name, "") for name in ("activation", "strides", "padding"))
    return type(layer).__name__, *(getattr(trait, "__name__", str(trait)) for trait in traits)


def find_first_tap_of_all_kinds(base: LoadedBase) -> str:
    """Return the lowest tap under which every kind of layer of the base stands."""
    kinds = {describe_layer(layer) for layer in base.build_tapped().layers}
    for tap in base.list_tap_names():
        if kinds == {describe_layer(layer) for layer in base.build_tapped([tap]).layers}:
            return tap
    raise AssertionError(base.spec.name)


def build_member(
    columns: list[layout.Column], generators: tuple[str, ...], layers: int
) -> assembly.EnsembleMember:
    """Build a head with dropout: one logit for each generator, or one for all."""
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


def build_part(name: str, signals=("picture",), sizes=()) -> assembly.DetectorPart:
    """Build a head on the lowest tap under which every kind of layer stands."""
    base = LoadedBase.from_model(build_base(name))
    tap = find_first_tap_of_all_kinds(base)
    columns = layout.list_columns(base, sizes or (find_side(name),), signals)
    columns = [column for column in columns if column.tap == tap]
    return assembly.DetectorPart(base, [build_member(columns, (), 0)])


def find_side(name: str) -> int:
    return max(64, BASE_MODELS[name].min_size_px)


def build_two_parts() -> list[assembly.DetectorPart]:
    """Build both signals at two sizes, a linear head for every generator, and a network."""
    first = build_part(JOINT_BASES[0], ("picture", "residual"), (32, 64))
    second = build_part(JOINT_BASES[1])
    columns = first.members[0].columns
    members = [build_member(columns, ("a", "b"), 0), build_member(columns, (), 2)]
    return [assembly.DetectorPart(first.base, members), second]


def export_detector(parts, side: int, path) -> frozenset[str]:
    onnx_export.export_onnx(assembly.build_joint_model(parts, side), path)
    return read_operators(path, side)


def export_linear_baseline(folder) -> frozenset[str]:
    base = LoadedBase.from_model(build_base("resnet18"))
    base = LoadedBase.from_model(base.build_tapped(["stack0_block0"]))
    model = layout.build_extractor_model(base, (64,), SIDE)
    onnx_export.export_onnx(model, folder / "features.onnx")
    baseline = types.SimpleNamespace(weights=np.zeros(model.output_shape[1]), bias=0.0)
    linear.export_linear_baseline(baseline, folder / "features.onnx", folder / "linear.onnx")
    return read_operators(folder / "linear.onnx", SIDE)


@pytest.fixture(scope="module")
def operators(tmp_path_factory) -> dict[str, frozenset[str]]:
    """Return the operators of every export by name."""
    folder = tmp_path_factory.mktemp("exports")
    path, found = folder / "detector.onnx", {}
    for name in BASE_MODELS.keys() - JOINT_BASES:
        found[name] = export_detector([build_part(name)], find_side(name), path)
    found["two bases"] = export_detector(build_two_parts(), SIDE, path)
    for name in scratch_models.SCRATCH_MODELS:
        model = scratch_models.wrap_as_detector(scratch_models.build_scratch_model(name, 32), SIDE)
        onnx_export.export_onnx(model, path)
        found[name] = read_operators(path, SIDE)
    found["linear"] = export_linear_baseline(folder)
    return found


def test_no_operator_of_an_export_is_missing(operators):
    missing = {name: sorted(found - ALLOWED_OPERATORS) for name, found in operators.items()}
    assert not any(missing.values()), missing


def test_every_other_operator_is_needed_by_an_export(operators):
    needed = frozenset().union(*operators.values())
    assert ALLOWED_OPERATORS - needed == UNUSED_OPERATORS
