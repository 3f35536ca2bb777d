"""Images of Stable Diffusion, by the project's own loop, on a network of random weights."""

import time

from benchmarks.gpu_parts.device import Workload
from benchmarks.measuring import Measurement
from data_collection.diffusion import compute_device, pipeline_loader, sampling
from data_collection.diffusion.pipeline_cache import LoadedPipeline
from data_collection.settings import GenerationSettings

WIDTHS, TEXT_WIDTH, TEXT_TOKENS = (320, 640, 1280, 1280), 768, 77
"""Channels of the blocks of Stable Diffusion 1.5, and the shape of its prompts."""

NARROW_WIDTHS = (64, 64, 64, 64)
STEPS = 10
GPU_BATCHES, GPU_SIDE_PX, CPU_SIDE_PX = (1, 4, 16), 512, 64


def measure(workload: Workload) -> list[Measurement]:
    """Measure images per second of ten steps with guidance, by batch.

    On a GPU the network is as wide as that of Stable Diffusion 1.5, with one layer a block; without
    one it is narrow and its images are small.
    """
    import torch

    device = compute_device.choose_device()
    is_gpu = device != "cpu"
    loaded = _build_pipeline(device, WIDTHS if is_gpu else NARROW_WIDTHS)
    side = GPU_SIDE_PX if is_gpu else CPU_SIDE_PX
    generation = GenerationSettings(steps=STEPS, generation_size=side)
    rows = []
    for batch in GPU_BATCHES if is_gpu else (1, 2):
        prompts = ["a face"] * batch
        sampling.sample_images(loaded, generation, prompts, range(batch))
        start = time.perf_counter()
        sampling.sample_images(loaded, generation, prompts, range(batch))
        rate = batch / (time.perf_counter() - start)
        name = f"Stable Diffusion at {side} px, {STEPS} steps, batches of {batch}, {device}"
        rows.append(Measurement(name, rate, "images/s"))
    if device.startswith("cuda"):
        peak = torch.cuda.max_memory_allocated() / 1e9
        rows.append(Measurement("... its peak memory", peak, "GB"))
    return rows


def _build_pipeline(device: str, widths: tuple[int, ...]) -> LoadedPipeline:
    pipeline_loader.silence_libraries()
    import torch
    from diffusers import (
        AutoencoderKL,
        DPMSolverMultistepScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    dtype = getattr(torch, compute_device.DTYPE_BY_DEVICE[device.partition(":")[0]])
    torch.manual_seed(0)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=[width // 2 for width in widths],
            down_block_types=["DownEncoderBlock2D"] * len(widths),
            up_block_types=["UpDecoderBlock2D"] * len(widths),
            latent_channels=4,
        ),
        unet=UNet2DConditionModel(
            block_out_channels=widths, layers_per_block=1, cross_attention_dim=TEXT_WIDTH
        ),
        scheduler=DPMSolverMultistepScheduler(steps_offset=1),
        text_encoder=None,
        tokenizer=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    embedding = torch.randn(1, TEXT_TOKENS, TEXT_WIDTH, device=device, dtype=dtype)
    return LoadedPipeline(
        pipeline=pipeline,
        device=device,
        environment={},
        batch_size=1,
        encode_prompt=lambda _: {"prompt_embeds": embedding, "negative_prompt_embeds": embedding},
    )
