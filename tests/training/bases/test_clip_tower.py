"""The tower of CLIP computes what transformers' and keras-hub's do with the same weights."""

import keras
import numpy as np
import pytest
import torch
import transformers

from training.bases import clip_weights
from training.bases.clip_tower import ClipTower, build_clip_tower

SMALL = ClipTower(side=48, patch=8, width=32, blocks=3, heads=4, hidden=80)


def noise(tower: ClipTower) -> np.ndarray:
    shape = (2, tower.side, tower.side, 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def build_published_tower(tower: ClipTower) -> transformers.CLIPVisionModelWithProjection:
    torch.manual_seed(0)
    model = transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=tower.width,
            intermediate_size=tower.hidden,
            num_hidden_layers=tower.blocks,
            num_attention_heads=tower.heads,
            image_size=tower.side,
            patch_size=tower.patch,
        )
    )
    # As initialised, every bias is 0 and every normalisation does nothing.
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3 * weight.shape[-1] ** -0.25)
    return model.eval()


def assert_blocks_agree(model: keras.Model, expected: list[np.ndarray], x: np.ndarray) -> None:
    blocks = [model.get_layer(f"block{n}_out").output for n in range(len(expected))]
    actual = keras.Model(model.input, blocks)(x, training=False)
    for ours, theirs in zip(actual, expected, strict=True):
        assert np.abs(theirs).max() > 0.5
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize(
    "tower", [SMALL, pytest.param(ClipTower(), marks=pytest.mark.slow)], ids=["small", "real"]
)
def test_every_block_gives_what_transformers_gives(tower):
    published = build_published_tower(tower)
    ours = build_clip_tower(tower)
    tensors = {name: tensor.numpy() for name, tensor in published.state_dict().items()}
    clip_weights.set_tensors(ours, tensors)
    x = noise(tower)
    with torch.no_grad():
        pixels = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
        states = published(pixels, output_hidden_states=True).hidden_states
    assert_blocks_agree(ours, [state.numpy() for state in states[1:]], x)


def test_every_block_gives_what_keras_hub_gives():
    models = pytest.importorskip("keras_hub").models
    encoder = models.CLIPVisionEncoder(
        patch_size=SMALL.patch,
        hidden_dim=SMALL.width,
        num_layers=SMALL.blocks,
        num_heads=SMALL.heads,
        intermediate_dim=SMALL.hidden,
        image_shape=(SMALL.side, SMALL.side, 3),
    )
    generator = np.random.default_rng(0)
    for weight in encoder.weights:
        if weight.dtype == "float32":
            weight.assign(generator.normal(0, 0.3, weight.shape))
    embedding = encoder.get_layer("embedding")
    embedding.position_ids.assign(np.arange(SMALL.tokens)[None])
    ours = build_clip_tower(SMALL)
    clip_weights.copy_hub_encoder(ours, encoder)
    ends = [layer.output for layer in encoder.encoder_layers]
    x = noise(SMALL)
    expected = [np.asarray(state) for state in keras.Model(encoder.inputs, ends)([x])]
    assert_blocks_agree(ours, expected, x)


def test_the_class_token_is_first_and_depends_on_every_patch():
    keras.utils.set_random_seed(0)
    model = build_clip_tower(SMALL)
    x = noise(SMALL)[:1]
    before = np.asarray(model(x))
    for row, column in ((0, 0), (-1, -1)):
        changed = x.copy()
        changed[0, row, column] += 5
        difference = np.abs(np.asarray(model(changed)) - before).max(axis=-1)[0]
        n_patches = SMALL.side // SMALL.patch
        assert difference[0] > 0
        assert difference.argmax() == 1 + row % n_patches * n_patches + column % n_patches
