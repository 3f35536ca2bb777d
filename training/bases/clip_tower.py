"""Build the image tower of CLIP from built-in layers, and read its weights from other programs.

keras-hub's tower consists of layers of its own, which a saved detector would need to open. Here a
detector opens with Keras alone. The last block is the end: CLIP's final normalisation and its
projection, which serve the comparison with texts, are left out.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class ClipTower:
    """The measures of a tower; by default those of openai/clip-vit-base-patch16.

    Attributes:
        side: of the pictures in pixels.
        patch: side of a patch in pixels.
        width: numbers that describe a patch.
        hidden: width between the two dense layers of a block.
    """

    side: int = 224
    patch: int = 16
    width: int = 768
    blocks: int = 12
    heads: int = 12
    hidden: int = 3072

    @property
    def tokens(self) -> int:
        """The class token and one per patch."""
        return 1 + (self.side // self.patch) ** 2


EPSILON = 1e-5
"""Of CLIP's normalisations."""

QUICK_GELU_FACTOR = 1.702

BLOCK_LAYERS = {
    "norm1": "layer_norm1",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "merge": "self_attn.out_proj",
    "norm2": "layer_norm2",
    "expand": "mlp.fc1",
    "contract": "mlp.fc2",
}
"""Layers of a block and their names in transformers' CLIPVisionModel."""


def build_clip_tower(tower: ClipTower) -> "keras.Model":
    """Build the tower with random weights.

    It maps normalised pictures (n, side, side, 3) to the tokens after the last block, (n, tokens,
    width): the class token, then the patches line by line.
    """
    import keras

    pixels = keras.Input((tower.side, tower.side, 3), name="pixels")
    patches = keras.layers.Conv2D(
        tower.width, tower.patch, tower.patch, use_bias=False, name="patches"
    )(pixels)
    tokens = keras.layers.Reshape((tower.tokens - 1, tower.width))(patches)
    # The class token starts as zeros; its embedding is part of the positions.
    tokens = keras.layers.ZeroPadding1D((1, 0))(tokens)
    tokens = _add_positions(tokens)
    tokens = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")(tokens)
    for number in range(tower.blocks):
        tokens = _add_block(tokens, tower, f"block{number}")
    return keras.Model(pixels, tokens)


def _add_positions(tokens: "keras.KerasTensor") -> "keras.KerasTensor":
    """Add a learnt constant; of the built-in layers only EinsumDense has one per token."""
    import keras

    return keras.layers.EinsumDense(
        "ntc,c->ntc",
        output_shape=tokens.shape[1:],
        bias_axes="tc",
        kernel_initializer="ones",
        bias_initializer=keras.initializers.RandomNormal(stddev=0.02),
        name="positions",
    )(tokens)


def _add_block(tokens: "keras.KerasTensor", tower: ClipTower, name: str) -> "keras.KerasTensor":
    import keras

    def normalise(tensor: "keras.KerasTensor", layer: str) -> "keras.KerasTensor":
        return keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_{layer}")(tensor)

    attended = _attend(normalise(tokens, "norm1"), tower, name)
    tokens = keras.layers.Add(name=f"{name}_middle")([tokens, attended])
    expanded = keras.layers.Dense(tower.hidden, name=f"{name}_expand")(normalise(tokens, "norm2"))
    gate = keras.layers.Activation("sigmoid")(keras.layers.Rescaling(QUICK_GELU_FACTOR)(expanded))
    activated = keras.layers.Multiply()([expanded, gate])
    contracted = keras.layers.Dense(tower.width, name=f"{name}_contract")(activated)
    return keras.layers.Add(name=f"{name}_out")([tokens, contracted])


def _attend(tokens: "keras.KerasTensor", tower: ClipTower, name: str) -> "keras.KerasTensor":
    """Let every token read the others; the heads lie on an axis of their own, (n, heads, ...)."""
    import keras

    width = tower.width // tower.heads

    def project(layer: str, order: tuple[int, int, int]) -> "keras.KerasTensor":
        values = keras.layers.Dense(tower.width, name=f"{name}_{layer}")(tokens)
        by_head = keras.layers.Reshape((tower.tokens, tower.heads, width))(values)
        return keras.layers.Permute(order)(by_head)

    query, value = project("query", (2, 1, 3)), project("value", (2, 1, 3))
    scores = keras.ops.matmul(query, project("key", (2, 3, 1)))
    weights = keras.layers.Softmax()(keras.layers.Rescaling(width**-0.5)(scores))
    by_token = keras.layers.Permute((2, 1, 3))(keras.ops.matmul(weights, value))
    merged = keras.layers.Reshape((tower.tokens, tower.width))(by_token)
    return keras.layers.Dense(tower.width, name=f"{name}_merge")(merged)
