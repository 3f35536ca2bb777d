"""Compute the inputs of a base at one input size: the picture, or its noise residual.

They are built of layers that export to every format and that Keras loads without our code.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import keras

BLUR_SIGMA_PX, RESIDUAL_GAIN, RESIDUAL_GREY_LEVEL = 1.0, 4.0, 128.0
"""Parameters of the residual: standard deviation of the blur, amplification, and level of zero."""


def compute_resize_matrix(before: int, after: int) -> np.ndarray:
    """Return Lanczos-3 weights with antialiasing, as Pillow resamples a line, (before, after)."""
    lines = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(lines.resize((after, before), Image.Resampling.LANCZOS))


def compute_blur_matrix(side: int) -> np.ndarray:
    """Return Gaussian weights along a line that is mirrored at its ends, float32 (side, side)."""
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(np.eye(side), BLUR_SIGMA_PX, axis=0, mode="reflect").T.astype(
        np.float32
    )


def _apply_along_both_axes(
    pixels: "keras.KerasTensor", matrix: np.ndarray, name: str
) -> "keras.KerasTensor":
    """Multiply the lines and the columns of square pictures by a fixed matrix.

    Dense layers work on the last axis, so each product is a Dense with fixed weights between two
    permutations.
    """
    import keras

    columns, rows = (
        keras.layers.Dense(matrix.shape[1], use_bias=False, trainable=False, name=f"{name}_{axis}")
        for axis in ("columns", "rows")
    )
    values = columns(keras.layers.Permute((1, 3, 2))(pixels))
    values = rows(keras.layers.Permute((3, 2, 1))(values))
    for layer in (columns, rows):
        layer.set_weights([matrix])
    return keras.layers.Permute((3, 1, 2))(values)


def resize_pixels(
    pixels: "keras.KerasTensor", side: int, name: str = "resize"
) -> "keras.KerasTensor":
    """Resize square pictures; `keras.layers.Resizing(antialias=True)` exports to invalid ONNX.

    Args:
        name: of the layers, followed by the side; unique within a model.
    """
    before = pixels.shape[1]
    if before == side:
        return pixels
    return _apply_along_both_axes(pixels, compute_resize_matrix(before, side), f"{name}{side}")


def compute_residual(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    """Return the noise residual of pictures of 0..255: what blurring removes.

    It holds noise, grain and the traces of upsampling, and hardly the person. It is amplified by
    RESIDUAL_GAIN around RESIDUAL_GREY_LEVEL, and clipped to 0..255.
    """
    import keras

    side = pixels.shape[1]
    blurred = _apply_along_both_axes(pixels, compute_blur_matrix(side), f"blur{side}")
    difference = keras.layers.Add()([pixels, keras.layers.Rescaling(-1.0)(blurred)])
    return keras.layers.ReLU(max_value=255.0)(
        keras.layers.Rescaling(RESIDUAL_GAIN, offset=RESIDUAL_GREY_LEVEL)(difference)
    )


SIGNALS: dict[str, Callable[["keras.KerasTensor"], "keras.KerasTensor"]] = {
    "picture": lambda pixels: pixels,
    "residual": compute_residual,
}
