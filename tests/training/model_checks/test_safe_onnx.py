"""Every known way to tamper with an ONNX detector is refused in a sentence before it answers."""

import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from detection import network
from detection.predictor import Detector
from runtime import console, hashing, onnx_session
from toys.endless_loops import make_endless_loop
from training.detectors import ready_detectors, saved_models
from training.detectors.card import read_card, write_card
from training.model_checks import allowed_operators, safe_onnx

SIDE = 64


def make_node(operator: str, inputs: str, outputs: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


MEAN = (
    make_node("ReduceMean", "pixels", "means", axes=[1, 2, 3], keepdims=0),
    make_node("Reshape", "means column", "mean"),
)
ANSWER = (make_node("Mul", "mean hundredth", "logit"), make_node("Sigmoid", "logit", "generated"))


def build_model(
    *nodes: onnx.NodeProto,
    side: int = SIDE,
    output: tuple[int, list] = (TensorProto.FLOAT, [None, 1]),
    functions=(),
    **constants: np.ndarray,
) -> bytes:
    """Return a detector of these nodes, whose answer is "generated"."""
    constants = {
        "column": np.array([-1, 1]),
        "hundredth": np.array([0.01], np.float32),
        **constants,
    }
    graph = helper.make_graph(
        nodes or (*MEAN, *ANSWER),
        "detector",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, side, side, 3])],
        [helper.make_tensor_value_info("generated", *output)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    versions = [helper.make_opsetid("", 15), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=versions, functions=functions, ir_version=8)
    return model.SerializeToString()


def build_loop() -> bytes:
    """Return a detector that never answers."""
    loop = make_endless_loop("mean", "looped")
    nodes = (*MEAN, loop, make_node("Sigmoid", "looped", "generated"))
    return build_model(*nodes, true=np.array(True))


def build_if() -> bytes:
    branch = helper.make_graph(
        [make_node("Sigmoid", "mean", "chosen")],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)],
    )
    choice = make_node("If", "true", "generated", then_branch=branch, else_branch=branch)
    return build_model(*MEAN, choice, true=np.array(True))


def build_function() -> bytes:
    body = [make_node("Sigmoid", "x", "y")]
    own = helper.make_function("own", "Sigmoid", ["x"], ["y"], body, [helper.make_opsetid("", 15)])
    call = make_node("Sigmoid", "mean", "generated", domain="own")
    return build_model(*MEAN, call, functions=[own])


def build_filled(count: int) -> bytes:
    """Return a detector that adds the sum of as many ones."""
    nodes = (
        make_node("ConstantOfShape", "many", "ones"),
        make_node("ReduceSum", "ones", "sum", keepdims=0),
        make_node("Mul", "mean sum", "logit"),
        ANSWER[1],
    )
    return build_model(*MEAN, *nodes, many=np.array([count]))


def build_padded(pixels: int) -> bytes:
    pads = np.array([0, pixels, pixels, 0, 0, pixels, pixels, 0])
    node = make_node("Pad", "pixels pads", "padded")
    mean = make_node("ReduceMean", "padded", "means", axes=[1, 2, 3], keepdims=0)
    return build_model(node, mean, MEAN[1], *ANSWER, pads=pads)


def build_doubled(times: int, start: str = "pixels", axis: int = 1) -> bytes:
    """Return a detector that appends an image, or a constant, to itself again and again."""
    nodes, name = [], start
    for number in range(times):
        nodes.append(make_node("Concat", f"{name} {name}", f"double{number}", axis=axis))
        name = f"double{number}"
    mean = make_node("ReduceMean", name, "means", axes=[1, 2, 3], keepdims=0)
    grey = np.ones((1, 64, 64, 3), np.float32)
    if start == "pixels":
        return build_model(*nodes, mean, MEAN[1], *ANSWER)
    added = make_node("Add", "means0 means", "means1")
    other = make_node("ReduceMean", "pixels", "means0", axes=[1, 2, 3], keepdims=0)
    column = make_node("Reshape", "means1 column", "mean")
    return build_model(*nodes, mean, other, added, column, *ANSWER, grey=grey)


def build_slow() -> bytes:
    """Return a detector of two hundred large products, none of which needs much memory."""
    square = np.array([-1, 12288, 1])
    nodes = [make_node("Reshape", "pixels square", "product0")]
    nodes.append(make_node("MatMul", "product0 wide", "wide0"))
    nodes += [make_node("MatMul", f"wide{n} w", f"wide{n + 1}") for n in range(200)]
    nodes.append(make_node("ReduceMean", "wide200", "means", axes=[1, 2], keepdims=0))
    wide, w = np.ones((1, 1000), np.float32), np.ones((1000, 1000), np.float32)
    return build_model(*nodes, MEAN[1], *ANSWER, square=square, wide=wide, w=w)


def build_external(location: str) -> bytes:
    model = onnx.load_model_from_string(build_model())
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)
    return model.SerializeToString()


def build_hollow() -> bytes:
    model = onnx.load_model_from_string(build_model())
    model.graph.initializer[1].dims[:] = [10**11]
    return model.SerializeToString()


INT64, STRING, FLOAT = TensorProto.INT64, TensorProto.STRING, TensorProto.FLOAT
WHOLE = build_model()

HOSTILE = {
    "an endless loop": (build_loop, "the operator 'Loop'"),
    "a condition": (build_if, "the operator 'If'"),
    "a function": (build_function, "functions of its own"),
    "10^9 ones": (lambda: build_filled(10**9), "the operator 'ConstantOfShape'"),
    "10^11 ones": (lambda: build_filled(10**11), "the operator 'ConstantOfShape'"),
    "a wide frame": (lambda: build_padded(20_000), "the memory of [0-9,]+ numbers"),
    "an image doubled": (lambda: build_doubled(20), "the memory of [0-9,]+ numbers"),
    "a constant doubled": (
        lambda: build_doubled(20, "grey"),
        "the memory of [0-9,]+ numbers",
    ),
    "all products": (
        lambda: build_model(
            make_node("Reshape", "pixels row", "a"),
            make_node("Reshape", "pixels long", "b"),
            make_node("MatMul", "b a", "products"),
            make_node("ReduceMean", "products", "means", axes=[1, 2], keepdims=0),
            MEAN[1],
            *ANSWER,
            side=128,
            row=np.array([-1, 1, 128 * 128 * 3]),
            long=np.array([-1, 128 * 128 * 3, 1]),
        ),
        "the memory of [0-9,]+ numbers",
        128,
    ),
    "long products": (build_slow, "[0-9,]+ multiplications"),
    "a file of another folder": (
        lambda: build_external("../../../etc/passwd"),
        "lie in another file",
    ),
    "an absolute path": (lambda: build_external("/etc/passwd"), "lie in another file"),
    "a file beside it": (lambda: build_external("README.md"), "lie in another file"),
    "weights that are not there": (build_hollow, "declares weights that it does not hold"),
    "garbage": (lambda: b"\x08garbage" * 100, "is damaged|does not take images"),
    "nothing": (lambda: b"", "does not take images"),
    "half a file": (lambda: WHOLE[: len(WHOLE) // 2], "is damaged|does not"),
    "an unknown operator": (
        lambda: build_model(*MEAN, make_node("Guess", "mean", "generated")),
        "the operator 'Guess'",
    ),
    "an operator of another library": (
        lambda: build_model(*MEAN, make_node("Sigmoid", "mean", "generated", domain="own")),
        "the operator 'Sigmoid'",
    ),
    "random numbers": (
        lambda: build_model(*MEAN, make_node("RandomNormalLike", "mean", "generated")),
        "the operator 'RandomNormalLike'",
    ),
    "another side": (lambda: build_model(side=96), "does not take images of 64 x 64 x 3"),
    "a scalar": (
        lambda: build_model(
            make_node("ReduceMean", "pixels", "generated", keepdims=0), output=(FLOAT, [])
        ),
        "does not give one probability per image",
    ),
    "no rows": (
        lambda: build_model(
            *MEAN, ANSWER[0], make_node("Slice", "logit zero zero", "generated"), zero=np.array([0])
        ),
        "does not give one probability per image",
    ),
    "two rows per image": (
        lambda: build_model(
            *MEAN,
            ANSWER[0],
            make_node("Sigmoid", "logit", "once"),
            make_node("Concat", "once once", "generated", axis=0),
        ),
        "does not give one probability per image",
    ),
    "logits": (
        lambda: build_model(*MEAN, make_node("Identity", "mean", "generated")),
        "gives numbers that are no probabilities",
    ),
    "whole numbers": (
        lambda: build_model(
            *MEAN, make_node("Cast", "mean", "generated", to=INT64), output=(INT64, [None, 1])
        ),
        "does not give one probability per image",
    ),
    "words": (
        lambda: build_model(
            *MEAN, make_node("Cast", "mean", "generated", to=STRING), output=(STRING, [None, 1])
        ),
        "does not give one probability per image",
    ),
    "whole numbers that are called others": (
        lambda: build_model(*MEAN, make_node("Cast", "mean", "generated", to=INT64)),
        "does not fit together|cannot be run",
    ),
    "a name twice": (lambda: build_model(*MEAN, *MEAN, *ANSWER), "uses a name twice"),
    "a name of nothing": (
        lambda: build_model(*MEAN, make_node("Sigmoid", "nothing", "generated")),
        "does not fit together|cannot be run|a size that is not known",
    ),
}


def check(data: bytes, side: int = SIDE) -> None:
    safe_onnx.check_onnx_file(data, hashing.hash_bytes(data), side, Path("detector.onnx"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_model_that_our_exports_are_not_is_refused_in_a_sentence(hostile):
    build, reason, *side = HOSTILE[hostile]
    data = build()
    for _ in range(2):  # a refusal is not remembered as a pass
        with pytest.raises(console.PlainError, match=reason) as caught:
            check(data, *side)
        assert caught.value.exit_code == console.EXIT_BAD_MODEL
        assert "It was not opened. Restore it" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_whole_model_is_looked_into_once_for_every_side(tmp_path, monkeypatch):
    check(WHOLE)
    records = list((tmp_path / "cache" / "checked").iterdir())
    assert len(records) == 1
    opened = []
    monkeypatch.setattr(onnx_session, "open_session", lambda *_: opened.append(1))
    check(WHOLE)
    assert not opened
    with pytest.raises(console.PlainError, match="96 x 96"):
        check(WHOLE, 96)


def test_a_pass_that_another_user_could_have_written_does_not_count(tmp_path):
    data = build_loop()
    folder = tmp_path / "cache" / "checked"
    check(WHOLE)
    record = next(folder.iterdir())
    record.rename(folder / record.name.replace(hashing.hash_bytes(WHOLE), hashing.hash_bytes(data)))
    folder.chmod(0o777)
    with pytest.raises(console.PlainError, match="Loop"):
        check(data)


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_to_is_no_fault(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o500)
    check(WHOLE)


@pytest.fixture
def stranger(tmp_path):
    """A folder with the card of a ready detector; the hash in it is that of any bytes written."""
    ready = ready_detectors.READY_FOLDER / "telltale-faces"
    folder = tmp_path / "stranger"
    folder.mkdir()
    card = dataclasses.replace(read_card(ready), name="stranger", attribution=None)

    def write(data: bytes) -> Path:
        (folder / saved_models.ONNX_FILE).write_bytes(data)
        sha256 = {saved_models.ONNX_FILE: hashing.hash_bytes(data)}
        write_card(folder, dataclasses.replace(card, sha256=sha256, baselines={}))
        return folder

    return write


def test_a_detector_with_a_right_hash_is_looked_into(stranger):
    with pytest.raises(console.PlainError, match="128 x 128 x 3, as its card says") as caught:
        Detector.load(stranger(build_model()))
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    Detector.load(stranger(build_model(side=128)))


def build_fickle(side: int) -> bytes:
    """Return a detector whose answer for grey is a probability, and for white is not."""
    nodes = (make_node("Sub", "mean grey", "dark"), make_node("Relu", "dark", "generated"))
    return build_model(*MEAN, *nodes, side=side, grey=np.array([128], np.float32))


def test_numbers_that_are_no_probabilities_give_no_verdict(stranger, tmp_path):
    detector = Detector.load(stranger(build_fickle(128)), any_picture=True)
    image = np.full((200, 200, 3), 250, np.uint8)
    image[:100] = 230
    Image.fromarray(image).save(tmp_path / "white.png")
    answer = detector.predict(tmp_path / "white.png")
    assert answer.error == "the detector gave no number for it" and not answer.verdict


@pytest.mark.parametrize("answers", [np.ones((6, 1)), np.ones(2), np.ones((2, 1), int)])
def test_answers_of_another_shape_give_no_verdict(answers, stranger):
    detector = Detector.load(stranger(build_model(side=128)))
    pixels = [np.zeros((2, 128, 128, 3))]
    squares = network.judge_squares(detector.card, pixels, lambda _: [answers])
    assert len(squares) == 1 and np.isnan(squares[0].range.value)


def test_the_ready_detectors_hold_nothing_that_is_refused():
    path = ready_detectors.READY_FOLDER / "telltale-faces" / saved_models.ONNX_FILE
    check(path.read_bytes(), 128)
    names = {node.op_type for node in onnx.load(path).graph.node}
    assert names <= allowed_operators.ALLOWED_OPERATORS


def test_copies_of_a_checked_detector_are_known_by_their_bytes(stranger, tmp_path):
    folder = stranger(build_model(side=128))
    Detector.load(folder)
    shutil.copytree(folder, tmp_path / "copy")
    Detector.load(tmp_path / "copy")
    assert len(list((tmp_path / "cache" / "checked").iterdir())) == 1
