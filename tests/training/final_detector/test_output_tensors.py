"""The heads' outputs for each generator are found inside detector.onnx, which stays as it is."""

import numpy as np
import pytest

from toys.features import make_toy_spec
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly
from training.detectors.assembly import DetectorPart, EnsembleMember
from training.features import layout
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.final_detector import output_tensors
from training.head_search.heads import build_uncompiled_head, combine_generator_outputs
from training.onnx_files import onnx_export, onnx_models

SIDE = 64


@pytest.fixture(scope="module")
def part() -> DetectorPart:
    base = LoadedBase.from_model(build_base("mobilenet_v2"))
    columns = [c for c in layout.list_columns(base, (SIDE,)) if c.tap in ("stem", "block1")]
    random = np.random.default_rng(0)
    values = random.normal(size=(8, 1, columns[-1].stop)).astype(np.float32)
    split = SplitFeatures(values, np.arange(8) % 2, ["a", "b", "a", "c", "a", "d", "a", "b"])
    features = TrainingFeatures(columns, split, split)
    assert features.generators == ["b", "c", "d"]
    members = []
    for number, spec in enumerate([make_toy_spec(layers=1, units=8), make_toy_spec()], 1):
        head = build_uncompiled_head(features, columns, spec, f"head{number}")
        logit = head.get_layer("logit")
        logit.set_weights([random.normal(size=weight.shape) for weight in logit.get_weights()])
        members.append(EnsembleMember(columns, combine_generator_outputs(head), 0.5 / number))
    return DetectorPart(base, members)


def test_each_head_has_its_tensor_with_the_numbers_of_keras(part, tmp_path):
    path = tmp_path / "detector.onnx"
    onnx_export.export_onnx(assembly.build_joint_model([part], SIDE), path)
    names = output_tensors.find_output_tensors([part], SIDE, path.read_bytes())
    assert len(set(names)) == 2
    pixels = np.random.default_rng(1).uniform(0, 255, (3, SIDE, SIDE, 3)).astype(np.float32)
    probability, *outputs = onnx_models.open_onnx_with_tensors(path, names)(pixels)
    expected = output_tensors.build_outputs_model([part], SIDE).predict_on_batch(pixels)
    for found, of_keras in zip(outputs, expected, strict=True):
        assert found.shape == (3, 3)
        assert found == pytest.approx(np.asarray(of_keras), rel=1e-3, abs=1e-3)
    # the probability follows from them: log-sum-exp, minus the logarithm of their number
    logits = [np.log(np.exp(found.astype(float)).mean(axis=1)) for found in outputs]
    joined = 0.5 * logits[0] + 0.25 * logits[1]
    assert probability[:, 0] == pytest.approx(1 / (1 + np.exp(-joined)), abs=1e-4)
    assert np.array_equal(probability, onnx_models.open_onnx(path)(pixels))


def test_another_model_is_refused(part, tmp_path):
    other = DetectorPart(part.base, part.members[1:])
    path = tmp_path / "detector.onnx"
    onnx_export.export_onnx(assembly.build_joint_model([other], SIDE), path)
    with pytest.raises(ValueError):
        output_tensors.find_output_tensors([part], SIDE, path.read_bytes())
