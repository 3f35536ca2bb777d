"""CLIP's image tower as transformers builds it, with random weights."""

import torch
import transformers

from training.bases.vision_tower import VisionTower


def build_published_clip(
    tower: VisionTower, **options
) -> transformers.CLIPVisionModelWithProjection:
    """Build the tower of this structure; `options` are further ones of its configuration."""
    torch.manual_seed(0)
    model = transformers.CLIPVisionModelWithProjection(
        transformers.CLIPVisionConfig(
            hidden_size=tower.width,
            intermediate_size=tower.hidden,
            num_hidden_layers=tower.blocks,
            num_attention_heads=tower.heads,
            image_size=tower.side,
            patch_size=tower.patch,
            **options,
        )
    )
    # As initialised, every bias is 0 and every normalisation does nothing.
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 0.0, 0.3 * weight.shape[-1] ** -0.25)
    return model.eval()
