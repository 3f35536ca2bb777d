"""Vision towers compute what transformers' and keras-hub's do with the same weights."""

import dataclasses

import keras
import numpy as np
import pytest
import torch
import transformers

from toys.published_clip import build_published_clip
from training.bases import clip_weights, tower_presets
from training.bases.tower_presets import TOWER_PRESETS
from training.bases.tower_weights import set_tower_weights
from training.bases.vision_tower import VisionTower, build_vision_tower

SMALL = {"side": 56, "patch": 7, "width": 32, "blocks": 3, "heads": 4, "hidden": 80}


def noise(tower: VisionTower) -> np.ndarray:
    shape = (2, tower.side, tower.side, 3)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def assert_blocks_agree(model: keras.Model, expected: list[np.ndarray], x: np.ndarray) -> None:
    blocks = [model.get_layer(f"block{n}_out").output for n in range(len(expected))]
    actual = keras.Model(model.input, blocks)(x, training=False)
    for ours, theirs in zip(actual, expected, strict=True):
        assert np.abs(theirs).max() > 0.5
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize(
    "tower",
    [VisionTower(**SMALL), pytest.param(VisionTower(), marks=pytest.mark.slow)],
    ids=["small", "real"],
)
def test_every_block_of_clip_gives_what_transformers_gives(tower):
    published = build_published_clip(tower)
    ours = build_vision_tower(tower)
    tensors = {name: tensor.numpy() for name, tensor in published.state_dict().items()}
    set_tower_weights(ours, clip_weights.convert_tensors(tensors, tower.blocks))
    x = noise(tower)
    with torch.no_grad():
        pixels = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
        states = published(pixels, output_hidden_states=True).hidden_states
    assert_blocks_agree(ours, [state.numpy() for state in states[1:]], x)


def build_hub_encoder(name: str, tower: VisionTower) -> keras.Model:
    """Build keras-hub's encoder of this structure, with weights of noise."""
    models = pytest.importorskip("keras_hub").models
    arguments = {
        "patch_size": tower.patch,
        "hidden_dim": tower.width,
        "num_layers": tower.blocks,
        "num_heads": tower.heads,
        "intermediate_dim": tower.hidden,
        "image_shape": (tower.side, tower.side, 3),
    }
    if name == "clip_vit_b16":
        encoder = models.CLIPVisionEncoder(**arguments)
    elif name == "siglip_base":
        encoder = models.SigLIPVisionEncoder(**arguments)
    else:
        encoder = models.DINOV2Backbone(**arguments)
    generator = np.random.default_rng(0)
    for weight in encoder.weights:
        if weight.dtype == "float32":
            weight.assign(generator.normal(0, 0.3, weight.shape))
    if name == "clip_vit_b16":
        # A preset's file sets them.
        encoder.embedding.position_ids.assign(np.arange(tower.tokens)[None])
    return encoder


def list_hub_blocks(name: str, encoder: keras.Model) -> list[keras.KerasTensor]:
    """Return the tokens after every block."""
    if name.startswith("dinov2"):
        return [encoder.pyramid_outputs[f"stage{n}"] for n in range(1, encoder.num_layers + 1)]
    return [layer.output for layer in encoder.encoder_layers]


@pytest.mark.parametrize("name", ["clip_vit_b16", "dinov2_small", "siglip_base"])
def test_every_block_gives_what_keras_hub_gives(name):
    preset = TOWER_PRESETS[name]
    tower = dataclasses.replace(preset.tower, **SMALL)
    encoder = build_hub_encoder(name, tower)
    ours = build_vision_tower(tower)
    read = {
        "clip_vit_b16": tower_presets.read_clip_encoder,
        "dinov2_small": tower_presets.read_dinov2_encoder,
        "siglip_base": tower_presets.read_siglip_encoder,
    }[name]
    set_tower_weights(ours, read(encoder))
    x = noise(tower)
    theirs = keras.Model(encoder.inputs, list_hub_blocks(name, encoder))([x])
    assert_blocks_agree(ours, [np.asarray(state) for state in theirs], x)


@pytest.mark.parametrize("name", TOWER_PRESETS)
def test_a_towers_structure_is_that_of_its_preset(name):
    """Compare with transformers', less what stands after the blocks or is folded into them."""
    width = 384 if name == "dinov2_small" else 768
    config = {
        "clip_vit_b16": transformers.CLIPVisionConfig(patch_size=16),
        "dinov2_small": transformers.Dinov2Config(
            hidden_size=384, num_attention_heads=6, image_size=518
        ),
        "dinov2_base": transformers.Dinov2Config(image_size=518),
        "siglip_base": transformers.SiglipVisionConfig(vision_use_head=False),
    }[name]
    with torch.device("meta"):
        published = transformers.AutoModel.from_config(config)
    expected = sum(weight.numel() for weight in published.parameters()) - 2 * width
    if name.startswith("dinov2"):
        # At 518 px it has more positions; a mask token; two scales a block.
        expected -= width * ((518 // 14) ** 2 - 16**2 + 1 + 24)
    tower = TOWER_PRESETS[name].tower
    model = build_vision_tower(tower)
    # Class token and bias of the patches are part of the positions.
    has_bias = name != "clip_vit_b16"
    assert model.count_params() + width * (tower.class_token + has_bias) == expected


def test_the_class_token_is_first_and_depends_on_every_patch():
    keras.utils.set_random_seed(0)
    tower = VisionTower(**SMALL)
    model = build_vision_tower(tower)
    x = noise(tower)[:1]
    before = np.asarray(model(x))
    n_patches = tower.side // tower.patch
    for row, column in ((0, 0), (-1, -1)):
        changed = x.copy()
        changed[0, row, column] += 5
        difference = np.abs(np.asarray(model(changed)) - before).max(axis=-1)[0]
        assert difference[0] > 0
        assert difference.argmax() == 1 + row % n_patches * n_patches + column % n_patches
