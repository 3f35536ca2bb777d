"""Open an ONNX file that Telltale did not write: after the checks of its own detectors, with more
operators and both orders of the channels."""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console, onnx_session
from training.calibration import combine_qualities
from training.detectors.card import Card
from training.model_checks import allowed_operators
from training.model_checks.unsafe_model import UnsafeModelError
from training.onnx_files import onnx_models
from validation import predictions
from validation.data.evaluation_set import EvaluationSet
from validation.outside.outside_detector import OutsideDetector, OutsideScores, format_name

if TYPE_CHECKING:
    import onnx

MAX_SIDE_PX = 1024
"""A chunk of larger images would take gigabytes."""

GREY_LEVEL = 128.0

MORE_OPERATORS = frozenset(
    {
        *("Abs", "And", "BatchNormalization", "Ceil", "Constant", "DepthToSpace", "Dropout", "Elu"),
        *("Equal", "Expand", "Floor", "Gelu", "GlobalMaxPool", "Greater", "HardSigmoid"),
        *("HardSwish", "InstanceNormalization", "LRN", "LayerNormalization", "LeakyRelu", "Less"),
        *("LogSoftmax", "PRelu", "ReduceL2", "ReduceMin", "Resize", "Selu", "Softplus"),
        *("SpaceToDepth", "Sum", "Tanh", "Tile", "Where"),
    }
)
"""Those that exports of other libraries have beside Telltale's own. None holds another graph or
repeats itself, and each costs about one step per value of its output."""

CONTRACT = (
    "It needs one float32 input of pixels 0 to 255, (n, side, side, 3) or (n, 3, side, side) with "
    "a fixed side, and one float32 output, (n,) or (n, 1), the probability of generated; or wrap "
    "the model in a function, --against module:function."
)


@dataclass(frozen=True)
class InputLayout:
    """Shape of a model's input.

    Attributes:
        side: in pixels.
        channels_first: whether it is (n, 3, side, side).
        single: whether it takes one image at a time.
    """

    side: int
    channels_first: bool
    single: bool

    def make_batch(self, pixels: np.ndarray) -> np.ndarray:
        """Return pixels (n, side, side, 3) as the model takes them."""
        batch = pixels.astype(np.float32)
        return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if self.channels_first else batch


@dataclass(frozen=True, kw_only=True)
class OutsideOnnxScorer(predictions.ImageScorer):
    """An ONNX file that scores images."""

    model: bytes
    layout: InputLayout
    advice = "Its output must be a probability, 0 to 1."

    @functools.cached_property
    def score(self) -> onnx_models.OnnxRunner:
        return open_runner(self.model, self.layout)


@dataclass(frozen=True, kw_only=True)
class OnnxFileDetector(OutsideDetector):
    """An ONNX file as an outside detector."""

    scorer: OutsideOnnxScorer

    def score_images(self, data: EvaluationSet) -> OutsideScores:
        try:
            (answers,) = predictions.score_images(data.folder, data.records, [self.scorer])
        except console.PlainError:
            raise
        except Exception as error:  # ONNX Runtime has a dozen types that share no base
            raise console.PlainError(
                f"{self.name} failed on an image ({type(error).__name__}). {CONTRACT}",
                console.EXIT_BAD_MODEL,
            ) from None
        return OutsideScores(combine_qualities(answers)[0])


def open_onnx_detector(path: Path, folder: Path, card: Card) -> OnnxFileDetector:
    """Open an ONNX file for images that are prepared as those of a Telltale detector.

    Args:
        folder, card: of that detector.

    Raises:
        PlainError: it is missing, holds what is not allowed, or does not keep to the contract.
    """
    if not path.is_file():
        raise console.PlainError(
            f"{path} does not exist. Give the path of an ONNX file.", console.EXIT_BAD_MODEL
        )
    model = path.read_bytes()
    try:
        layout = inspect_model(model)
        judge_grey_image(model, layout)
    except UnsafeModelError as error:
        raise console.PlainError(
            f"{path} {error}, so it is not used. {CONTRACT}", console.EXIT_BAD_MODEL
        ) from None
    name = format_name(path.name)
    qualities = " and ".join(map(str, card.qualities))
    return OnnxFileDetector(
        name=name,
        input_note=(
            f"It gets the images as {card.name} gets them, {layout.side} pixels square: cut by "
            f"the same rule and saved as JPEG of the qualities {qualities}; the mean logit counts. "
            "With preparations of its own it may do better or worse."
        ),
        scorer=OutsideOnnxScorer(
            name=name,
            folder=folder,
            sha256=hashlib.sha256(model).hexdigest(),
            image_size=layout.side,
            crop=card.crop,
            qualities=card.qualities,
            model=model,
            layout=layout,
        ),
    )


def inspect_model(data: bytes) -> InputLayout:
    """Return the layout of a model's input, after looking into its graph.

    Raises:
        UnsafeModelError: it holds what is not allowed, or takes no images.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own, MemoryError, RecursionError
        raise UnsafeModelError(f"is damaged ({type(error).__name__})") from None
    _move_constants(model.graph)
    allowed_operators.check_parts(model, allowed_operators.ALLOWED_OPERATORS | MORE_OPERATORS)
    inputs = allowed_operators.list_inputs(model.graph)
    layout = _read_layout(inputs)
    if len(model.graph.output) != 1:
        raise UnsafeModelError(f"has {len(model.graph.output)} outputs")
    allowed_operators.check_costs(model, inputs[0])
    return layout


def _move_constants(graph: "onnx.GraphProto") -> None:
    """Put the tensors of `Constant` operators, which PyTorch writes, with the weights."""
    import onnx

    remaining = []
    for node in graph.node:
        values = [attribute for attribute in node.attribute if attribute.name == "value"]
        if node.op_type == "Constant" and len(node.output) == len(values) == 1:
            tensor = onnx.TensorProto()
            tensor.CopyFrom(values[0].t)
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
        else:
            remaining.append(node)
    del graph.node[:]
    graph.node.extend(remaining)


def _read_layout(inputs: list["onnx.ValueInfoProto"]) -> InputLayout:
    from onnx import TensorProto

    if len(inputs) != 1:
        raise UnsafeModelError(f"has {len(inputs)} inputs")
    kind = inputs[0].type.tensor_type
    dims = [dim.dim_value for dim in kind.shape.dim]  # 0 for one that is free
    shape = ", ".join(str(dim or "?") for dim in dims)
    if kind.elem_type != TensorProto.FLOAT:
        raise UnsafeModelError("does not take float32 numbers")
    if len(dims) != 4 or dims[0] not in (0, 1):
        raise UnsafeModelError(f"takes an input of the shape ({shape})")
    for channels_first, (channels, *sides) in (
        (False, (dims[3], dims[1], dims[2])),
        (True, (dims[1], dims[2], dims[3])),
    ):
        if channels == 3 and sides[0] == sides[1] and 0 < sides[0] <= MAX_SIDE_PX:
            return InputLayout(sides[0], channels_first, single=dims[0] == 1)
    raise UnsafeModelError(f"takes an input of the shape ({shape})")


def judge_grey_image(data: bytes, layout: InputLayout) -> None:
    """Raise UnsafeModelError unless a model gives one probability per grey image."""
    n_images = 1 if layout.single else 2
    grey = np.full((n_images, layout.side, layout.side, 3), GREY_LEVEL, np.float32)
    try:
        session = onnx_session.open_session(data)
        answers = session.run(None, {session.get_inputs()[0].name: layout.make_batch(grey)})[0]
    except Exception as error:  # ONNX Runtime has a dozen types that share no base
        raise UnsafeModelError(f"cannot be run ({type(error).__name__})") from None
    if answers.shape not in ((n_images,), (n_images, 1)) or answers.dtype != np.float32:
        raise UnsafeModelError(
            f"gives {answers.dtype} numbers of the shape {answers.shape} for {n_images} "
            f"image{'s' if n_images > 1 else ''}"
        )
    if not ((answers >= 0) & (answers <= 1)).all():
        raise UnsafeModelError(
            f"gives a grey image {answers.ravel()[0]:.3g}, which is no probability (is the sigmoid "
            "missing?)"
        )


def open_runner(model: bytes, layout: InputLayout) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from pixels (n, side, side, 3) to probabilities (n,), NaN for numbers
    that are none."""
    if layout.single:
        run_one = onnx_models.open_onnx(model)

        def run(batch: np.ndarray) -> np.ndarray:
            return np.concatenate([run_one(image[None]) for image in batch])

    else:
        run = onnx_models.open_onnx_streams(model)

    def score_pixels(pixels: np.ndarray) -> np.ndarray:
        answers = run(layout.make_batch(pixels))
        column = answers[:, None] if answers.ndim == 1 else answers
        return onnx_models.select_probabilities(column, len(pixels))

    return score_pixels
