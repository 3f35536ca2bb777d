"""Build vision transformers from built-in layers: a saved detector opens with Keras alone.

keras-hub's consist of layers of its own. The last block is the end: what follows serves the
comparison with texts or one vector per picture, and is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """The structure of a vision transformer; by default that of openai/clip-vit-base-patch16.

    Attributes:
        side: of the pictures in pixels.
        patch: side of a patch in pixels.
        width: numbers that describe a patch.
        hidden: width between the two dense layers of a block.
        class_token: whether a token stands before those of the patches.
        first_norm: whether a normalisation stands before the blocks.
        epsilon: of all normalisations.
        activation: name in ACTIVATIONS.
    """

    side: int = 224
    patch: int = 16
    width: int = 768
    blocks: int = 12
    heads: int = 12
    hidden: int = 3072
    class_token: bool = True
    first_norm: bool = True
    epsilon: float = 1e-5
    activation: str = "quick gelu"

    @property
    def patches(self) -> int:
        return (self.side // self.patch) ** 2

    @property
    def tokens(self) -> int:
        return self.patches + self.class_token

    def count_weights(self) -> int:
        """Return the number of weights in all products; normalisations have few."""
        of_block = 4 * self.width**2 + 2 * self.width * self.hidden
        return self.blocks * of_block + (3 * self.patch**2 + self.tokens) * self.width


def _compute_gate(gate: "keras.KerasTensor", values: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Multiply()([values, keras.layers.Activation("sigmoid")(gate)])


def _compute_gelu(values: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Activation("gelu")(values)


def _compute_tanh_gelu(values: "keras.KerasTensor") -> "keras.KerasTensor":
    """Compute x sigmoid(2 sqrt(2 / pi) (x + .044715 x^3)), which is the approximation by tanh."""
    import keras

    factor = 1.5957691216057308
    square = keras.layers.Multiply()([values, values])
    slope = keras.layers.Rescaling(0.044715 * factor, offset=factor)(square)
    return _compute_gate(keras.layers.Multiply()([values, slope]), values)


def _compute_quick_gelu(values: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return _compute_gate(keras.layers.Rescaling(1.702)(values), values)


ACTIVATIONS: dict[str, Callable[["keras.KerasTensor"], "keras.KerasTensor"]] = {
    "gelu": _compute_gelu,
    "tanh gelu": _compute_tanh_gelu,
    "quick gelu": _compute_quick_gelu,
}


def build_vision_tower(tower: VisionTower) -> "keras.Model":
    """Build the tower with random weights.

    It maps normalised pictures (n, side, side, 3) to the tokens after the last block, (n, tokens,
    width): the class token if there is one, then the patches line by line.
    """
    import keras

    pixels = keras.Input((tower.side, tower.side, 3), name="pixels")
    tokens = _embed_patches(pixels, tower)
    if tower.first_norm:
        tokens = keras.layers.LayerNormalization(epsilon=tower.epsilon, name="norm")(tokens)
    for number in range(tower.blocks):
        tokens = _add_block(tokens, tower, f"block{number}")
    return keras.Model(pixels, tokens)


def _embed_patches(pixels: "keras.KerasTensor", tower: VisionTower) -> "keras.KerasTensor":
    """Return the tokens before the blocks: a product of each patch's pixels, and its position.

    Of the built-in layers only EinsumDense adds weights of its own to every token. A class token
    starts as a patch of zeros; its embedding is part of the positions, and so is a patch's bias.
    """
    import keras

    side, n_pixels = tower.side // tower.patch, 3 * tower.patch**2
    lines = keras.layers.Reshape((side, tower.patch, side, tower.patch * 3))(pixels)
    patches = keras.layers.Reshape((side**2, n_pixels))(keras.layers.Permute((1, 3, 2, 4))(lines))
    if tower.class_token:
        patches = keras.layers.ZeroPadding1D((1, 0))(patches)
    return keras.layers.EinsumDense(
        "ntp,pc->ntc", output_shape=(tower.tokens, tower.width), bias_axes="tc", name="patches"
    )(patches)


def _add_block(tokens: "keras.KerasTensor", tower: VisionTower, name: str) -> "keras.KerasTensor":
    import keras

    def normalise(tensor: "keras.KerasTensor", part: str) -> "keras.KerasTensor":
        layer = keras.layers.LayerNormalization(epsilon=tower.epsilon, name=f"{name}_{part}")
        return layer(tensor)

    attended = _attend(normalise(tokens, "norm1"), tower, name)
    tokens = keras.layers.Add(name=f"{name}_middle")([tokens, attended])
    expanded = keras.layers.Dense(tower.hidden, name=f"{name}_expand")(normalise(tokens, "norm2"))
    activated = ACTIVATIONS[tower.activation](expanded)
    contracted = keras.layers.Dense(tower.width, name=f"{name}_contract")(activated)
    return keras.layers.Add(name=f"{name}_out")([tokens, contracted])


def _attend(tokens: "keras.KerasTensor", tower: VisionTower, name: str) -> "keras.KerasTensor":
    """Let every token read the others; the heads lie on an axis of their own, (n, heads, ...)."""
    import keras

    width = tower.width // tower.heads

    def project(part: str, order: tuple[int, int, int]) -> "keras.KerasTensor":
        values = keras.layers.Dense(tower.width, name=f"{name}_{part}")(tokens)
        by_head = keras.layers.Reshape((tower.tokens, tower.heads, width))(values)
        return keras.layers.Permute(order)(by_head)

    query, value = project("query", (2, 1, 3)), project("value", (2, 1, 3))
    scores = keras.ops.matmul(query, project("key", (2, 3, 1)))
    weights = keras.layers.Softmax()(keras.layers.Rescaling(width**-0.5)(scores))
    by_token = keras.layers.Permute((2, 1, 3))(keras.ops.matmul(weights, value))
    merged = keras.layers.Reshape((tower.tokens, tower.width))(by_token)
    return keras.layers.Dense(tower.width, name=f"{name}_merge")(merged)
