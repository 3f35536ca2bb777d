"""A Stable Diffusion pipeline of random weights, half a megabyte on disk, and its images."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection.settings import CollectionSettings, GenerationSettings, PromptSettings
from data_collection.source_types import SourceRequest
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION

GENERATED_SIDE_PX = 64
WEIGHT_STEMS = {
    "text_encoder": "model",
    "safety_checker": "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
OLD_WEIGHT_NAMES = {
    "model": "pytorch_model.bin",
    "diffusion_pytorch_model": "diffusion_pytorch_model.bin",
}
GENERATION_OPTIONS = {"steps": 2, "generation_size": GENERATED_SIDE_PX}

GENERATION_MARKS = [
    pytest.mark.usefixtures("one_thread"),
    # Raised inside diffusers' schedulers by numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
"""Marks of modules whose tests generate images."""


def make_request(
    folder: Path, model: Path | str, count: int = 5, **generation: object
) -> SourceRequest:
    settings = CollectionSettings(
        data=folder,
        seed=7,
        prompt_settings=PromptSettings(prompts="template", prompt_count=3),
        generation=GenerationSettings(model=str(model), **{**GENERATION_OPTIONS, **generation}),
    )
    return SourceRequest(argument=str(count), source_name="tiny", settings=settings)


def generate_faces(request: SourceRequest) -> list:
    faces = STABLE_DIFFUSION.list_candidates(request)
    return list(faces[0].load_many(faces))


def decode_pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), dtype=int)


def save_pipeline(folder: Path, flagged: str = "") -> Path:
    """Save a pipeline; with `flagged`, its safety checker flags "none" or "all" of the images."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    tokenizer, text_encoder = build_text_encoder(folder)
    checker, extractor = _build_safety_checker(flagged) if flagged else (None, None)
    noise = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "steps_offset": 1,
    }
    StableDiffusionPipeline(
        vae=build_autoencoder(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=_build_unet(),
        scheduler=PNDMScheduler(**noise, skip_prk_steps=True),
        safety_checker=checker,
        feature_extractor=extractor,
        requires_safety_checker=bool(checker),
    ).save_pretrained(folder)
    return folder


def build_text_encoder(folder: Path, kind: str = "CLIPTextModel"):
    """Build a tokenizer that spells every word, and its encoder, a class of transformers."""
    import transformers
    from transformers import CLIPTextConfig, CLIPTokenizer

    letters = [
        chr(code)
        for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))
    ]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    parts = folder / "parts"
    parts.mkdir(parents=True)
    (parts / "vocab.json").write_text(
        json.dumps({word: number for number, word in enumerate(words)})
    )
    (parts / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        str(parts / "vocab.json"), str(parts / "merges.txt"), model_max_length=77
    )
    shutil.rmtree(parts)
    start, end = len(words) - 2, len(words) - 1
    layers = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    config = CLIPTextConfig(
        vocab_size=len(words),
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        projection_dim=16,
        **layers,
    )
    return tokenizer, getattr(transformers, kind)(config)


def _build_unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=GENERATED_SIDE_PX // 8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=8,
    )


def build_autoencoder(**changes):
    """Build one that downsamples by eight; a scaled last layer gives its images contrast."""
    import torch
    from diffusers import AutoencoderKL

    autoencoder = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=GENERATED_SIDE_PX,
        **changes,
    )
    with torch.no_grad():
        autoencoder.decoder.conv_out.weight *= 4
    return autoencoder


def _build_safety_checker(flagged: str):
    """Build a real checker: it flags images whose cosine with a concept exceeds a threshold."""
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    layers = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
    }
    vision = {**layers, "image_size": 32, "patch_size": 16}
    config = CLIPConfig(
        text_config={**layers, "vocab_size": 8}, vision_config=vision, projection_dim=16
    )
    checker = StableDiffusionSafetyChecker(config)
    threshold = {"none": 1.0, "all": -1.5}[flagged]
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(threshold)
    return checker, CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


def convert_to_old_layout(folder: Path) -> None:
    """Convert a saved pipeline to the layout of 2022: pickled weights."""
    import torch
    from safetensors.torch import load_file

    for part, stem in WEIGHT_STEMS.items():
        path = folder / part / f"{stem}.safetensors"
        if path.exists():
            torch.save(load_file(path), path.with_name(OLD_WEIGHT_NAMES[stem]))
            path.unlink()
