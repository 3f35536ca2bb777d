"""Define TOWER_PRESETS: vision transformers whose pretrained weights keras-hub publishes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.bases.tower_weights import (
    WeightArrays,
    read_clip_encoder,
    read_dinov2_encoder,
    read_siglip_encoder,
)
from training.bases.vision_tower import VisionTower


@dataclass(frozen=True, kw_only=True)
class TowerPreset:
    """A vision transformer and its weights in keras-hub.

    Attributes:
        name: of the preset.
        backbone: class in keras_hub.models.
        read_weights: from an instance of it to the weights of our layers.
        options: of the preset.
    """

    tower: VisionTower
    name: str
    backbone: str
    read_weights: Callable[[Any], WeightArrays]
    options: Mapping[str, Any] = field(default_factory=dict)


def _make_dinov2_preset(name: str, width: int, heads: int) -> TowerPreset:
    tower = VisionTower(
        patch=14,
        width=width,
        heads=heads,
        hidden=4 * width,
        first_norm=False,
        epsilon=1e-6,
        activation="gelu",
    )
    return TowerPreset(
        tower=tower,
        name=name,
        backbone="DINOV2Backbone",
        read_weights=read_dinov2_encoder,
        # It learnt at 518 px; keras-hub resamples the positions.
        options={"image_shape": (tower.side, tower.side, 3)},
    )


TOWER_PRESETS = {
    "clip_vit_b16": TowerPreset(
        tower=VisionTower(),
        name="clip_vit_base_patch16",
        backbone="CLIPBackbone",
        read_weights=lambda backbone: read_clip_encoder(backbone.vision_encoder),
    ),
    "dinov2_small": _make_dinov2_preset("dinov2_small", width=384, heads=6),
    "dinov2_base": _make_dinov2_preset("dinov2_base", width=768, heads=12),
    "siglip_base": TowerPreset(
        tower=VisionTower(
            class_token=False,
            first_norm=False,
            epsilon=1e-6,
            activation="tanh gelu",
        ),
        name="siglip_base_patch16_224",
        backbone="SigLIPBackbone",
        read_weights=lambda backbone: read_siglip_encoder(backbone.vision_encoder),
    ),
}
"""By the name of the base."""
