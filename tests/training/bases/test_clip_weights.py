"""The weights of a quantised CLIP are read as the floats that its graph multiplies with."""

import keras
import numpy as np
import onnx
import pytest
import torch
from onnxruntime import quantization

from benchmarks.studies import clip_weights as study
from toys.published_clip import build_published_clip
from training.bases import clip_weights
from training.bases.tower_weights import set_tower_weights
from training.bases.vision_tower import VisionTower, build_vision_tower

TOWER = VisionTower(side=32, patch=8, width=32, blocks=2, heads=4, hidden=64)


@pytest.fixture(scope="module")
def published():
    return build_published_clip(TOWER, projection_dim=8, attn_implementation="eager")


@pytest.fixture(scope="module")
def quantised(published, tmp_path_factory):
    """The published tower as the package has it: exported by torch, quantised by ONNX Runtime."""
    import warnings

    folder = tmp_path_factory.mktemp("clip")
    pixels = torch.zeros(1, 3, TOWER.side, TOWER.side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            *(published, (pixels,), folder / "float.onnx"),
            dynamo=False,
            opset_version=14,
            input_names=["pixel_values"],
            dynamic_axes={"pixel_values": {0: "batch"}},
        )
        quantization.quantize_dynamic(
            folder / "float.onnx",
            folder / "int8.onnx",
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
        )
    return folder / "int8.onnx"


def test_dequantised_weights_are_the_published_ones_but_for_their_rounding(published, quantised):
    tensors = clip_weights.read_quantised_onnx(quantised)
    for name, expected in published.state_dict().items():
        if name.startswith("vision_model"):
            limit = 0.006 * np.abs(expected.numpy()).max() if expected.dim() == 2 else 0
            assert np.abs(tensors[name] - expected.numpy()).max() <= limit, name


def test_the_base_gives_what_the_graph_gives_with_float_activations(quantised):
    base = build_vision_tower(TOWER)
    tensors = clip_weights.read_quantised_onnx(quantised)
    set_tower_weights(base, clip_weights.convert_tensors(tensors, TOWER.blocks))
    x = np.random.default_rng(0).normal(size=(2, TOWER.side, TOWER.side, 3)).astype(np.float32)
    blocks = [base.get_layer(f"block{n}_out").output for n in range(TOWER.blocks)]
    actual = keras.Model(base.input, blocks)(x)
    expected = study.run_blocks(study.use_float_products(quantised), x)
    rounded = study.run_blocks(study.load_graph(quantised), x)
    for ours, floats, integers in zip(actual, expected, rounded, strict=True):
        assert study.measure_difference(ours, floats) <= 1e-5
        assert study.measure_difference(ours, integers) > 1e-3


def test_a_file_that_is_no_onnx_or_lacks_a_tensor_is_refused(quantised, tmp_path):
    (tmp_path / "text.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match="no ONNX file"):
        clip_weights.read_quantised_onnx(tmp_path / "text.onnx")
    model = onnx.load(str(quantised))
    model.graph.initializer.remove(
        next(tensor for tensor in model.graph.initializer if tensor.name.endswith("fc1.bias"))
    )
    onnx.save(model, str(tmp_path / "less.onnx"))
    with pytest.raises(KeyError, match=r"fc1\.bias"):
        clip_weights.convert_tensors(
            clip_weights.read_quantised_onnx(tmp_path / "less.onnx"), TOWER.blocks
        )
