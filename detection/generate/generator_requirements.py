"""Describe what prevents or delays generating here, without importing anything heavy."""

import functools
import importlib.metadata
import os
import sys
import time
from importlib.util import find_spec

import numpy as np

from data_collection.diffusion import model_location
from data_collection.generation import diffusion_requirements
from data_collection.services import openai_client
from data_collection.settings import GenerationSettings
from runtime.terminal.time_left import format_duration


def describe_model_obstacles(generation: GenerationSettings, passes: float, only: str = "") -> str:
    """Return why a model cannot generate here, or what the first image waits for; or "".

    Args:
        passes: passes of the UNet for one image.
        only: the one part of the model that is needed, if not all.
    """
    missing = [
        package for package in diffusion_requirements.DIFFUSION_PACKAGES if not find_spec(package)
    ]
    if missing:
        return f"Not installed: {', '.join(missing)}; pip install -r requirements.txt."
    location = model_location.locate_model(generation.model, "", generation.safety_checker, only)
    if not location.available:
        return f"The model {generation.model} {location.status}."
    notes = []
    if not location.folder:
        size = model_location.format_byte_count(location.download_bytes)
        notes.append(f"The first image waits for the download of {generation.model}, about {size}.")
    if not _has_likely_gpu():
        flop = diffusion_requirements.estimate_flop_per_image(generation, passes, only)
        duration = "an unknown time"
        if flop is not None:
            seconds = flop / _measure_cpu_flops()
            duration = f"very roughly {format_duration(seconds)}"
        notes.append(f"There is no GPU here; an image takes {duration}.")
    return " ".join(notes)


def describe_service_obstacles() -> str:
    """Return why the OpenAI API cannot be used, or ""; nothing is sent."""
    requirement = openai_client.check_api_key("")
    return "" if requirement.met else f"{requirement.name} is {requirement.status}."


def describe_sample_obstacles() -> str:
    """Return why the sample's generator cannot run, or ""; the first image loads its weights."""
    return "" if find_spec("torch") else "Not installed: torch; pip install -r requirements.txt."


def _has_likely_gpu() -> bool:
    """Return whether torch is likely to find a GPU; importing torch to ask would take seconds."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    return sys.platform != "linux" or any(
        map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    )


@functools.cache
def _measure_cpu_flops() -> float:
    """Return the floating-point operations per second of a matrix product.

    A tenth more than compute_device.measure_flop_per_second measures with torch.
    """
    matrix, seconds = np.ones((1024, 1024), np.float32), []
    for _ in range(4):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 1024**3 / min(seconds)
