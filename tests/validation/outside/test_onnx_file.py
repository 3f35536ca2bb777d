"""An ONNX file of somebody else is used if it keeps to the contract, and refused in a sentence."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime import console
from toys.endless_loops import make_endless_loop
from toys.outside_models import build_brightness_model, build_model
from training.detectors import ready_detectors
from training.detectors.card import read_card
from validation.outside.onnx_file import open_onnx_detector

CARD = read_card(ready_detectors.READY_FOLDER / "telltale-faces")
IMAGE = (None, 32, 32, 3)


def open_bytes(folder, model: bytes):
    (folder / "other.onnx").write_bytes(model)
    return open_onnx_detector(folder / "other.onnx", folder, CARD)


@pytest.mark.parametrize("shape", [IMAGE, (None, 3, 32, 32), (1, 3, 32, 32), (1, 32, 32, 3)])
@pytest.mark.parametrize("output", [(None,), (None, 1)])
def test_both_orders_of_channels_and_both_shapes_of_answers_give_the_same(tmp_path, shape, output):
    scorer = open_bytes(tmp_path, build_brightness_model(shape, output)).scorer
    pixels = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3)).astype(np.uint8)
    pixels //= np.arange(1, 10, dtype=np.uint8)[:, None, None, None]
    expected = 1 / (1 + np.exp(-0.03 * (pixels.mean(axis=(1, 2, 3)) - 100)))
    assert scorer.image_size == 32
    assert scorer.score(pixels) == pytest.approx(expected, abs=1e-5)


def build_torch_model() -> bytes:
    """Return a model as PyTorch writes it: `Constant` operators, normalisation, an activation that
    no export of Telltale has."""
    nodes = [
        helper.make_node(
            "Constant", [], ["half"], value=numpy_helper.from_array(np.array(127.5, np.float32))
        ),
        helper.make_node("Sub", ["pixels", "half"], ["centred"]),
        helper.make_node("Conv", ["centred", "kernel"], ["map"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["map", "one", "zero", "zero", "one"], ["normal"]),
        helper.make_node("HardSwish", ["normal"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["row"]),
        helper.make_node("Gemm", ["row", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["generated"]),
    ]
    constants = {
        "kernel": np.full((4, 3, 3, 3), 0.01, np.float32),
        "one": np.ones(4, np.float32),
        "zero": np.zeros(4, np.float32),
        "weights": np.full((4, 1), 0.1, np.float32),
    }
    image = (TensorProto.FLOAT, (None, 3, 32, 32))
    return build_model(nodes, {"pixels": image}, {"generated": (None, 1)}, constants)


def test_a_model_as_pytorch_exports_it_is_opened(tmp_path):
    scorer = open_bytes(tmp_path, build_torch_model()).scorer
    dark, bright = scorer.score(np.stack([np.zeros((32, 32, 3)), np.full((32, 32, 3), 255)]))
    assert 0 < dark <= 0.5 < bright <= 1


def build_two_inputs() -> bytes:
    nodes = [helper.make_node("Add", ["pixels", "more"], ["sum"])]
    nodes += [helper.make_node("ReduceMean", ["sum"], ["generated"], axes=[1, 2, 3], keepdims=0)]
    image = (TensorProto.FLOAT, IMAGE)
    return build_model(nodes, {"pixels": image, "more": image}, {"generated": (None,)}, {})


def build_two_outputs() -> bytes:
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["first"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sigmoid", ["first"], ["second"]),
    ]
    outputs = {"first": (None,), "second": (None,)}
    return build_model(nodes, {"pixels": (TensorProto.FLOAT, IMAGE)}, outputs, {})


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (b"no model", "is damaged"),
        (
            build_brightness_model(IMAGE, operator="Neg"),
            "gives a grey image -0.84, which is no",
        ),
        (build_brightness_model(IMAGE, (None, 1, 1)), r"of the shape \(2, 1, 1\) for 2 images"),
        (
            build_brightness_model((None, 32, 48, 3)),
            r"takes an input of the shape \(\?, 32, 48, 3\)",
        ),
        (build_brightness_model((None, None, None, 3)), r"of the shape \(\?, \?, \?, 3\)"),
        (build_brightness_model((None, 4096, 4096, 3)), "4096, 4096, 3"),
        (build_brightness_model((4, 32, 32, 3)), r"of the shape \(4, 32, 32, 3\)"),
        (build_brightness_model(IMAGE, kind=TensorProto.UINT8), "does not take float32 numbers"),
        (build_brightness_model(IMAGE, operator="Sin"), "has the operator 'Sin'"),
        (build_two_inputs(), "has 2 inputs"),
        (build_two_outputs(), "has 2 outputs"),
    ],
)
def test_what_does_not_keep_to_the_contract_is_refused_in_a_sentence(tmp_path, model, fault):
    with pytest.raises(console.PlainError, match=fault) as caught:
        open_bytes(tmp_path, model)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    assert "one float32 input of pixels 0 to 255" in str(caught.value)


def test_a_file_with_a_loop_is_refused_before_it_is_run(tmp_path):
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        make_endless_loop("mean", "looped"),
        helper.make_node("Sigmoid", ["looped"], ["generated"]),
    ]
    model = build_model(
        nodes,
        {"pixels": (TensorProto.FLOAT, IMAGE)},
        {"generated": (None,)},
        {"true": np.array(True)},
    )
    with pytest.raises(console.PlainError, match="has the operator 'Loop'"):
        open_bytes(tmp_path, model)
