"""What is in the way of drawing here, in plain words, found out without importing anything heavy."""

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


def describe_model_obstacles(drawing: GenerationSettings, passes: float, only: str = "") -> str:
    """Why a model cannot draw here, or what the first picture waits for; empty if nothing is in the way.

    Args:
        passes: of the UNet, for one picture.
        only: the one part of the model that is wanted, if not all.
    """
    missing = [
        package for package in diffusion_requirements.DIFFUSION_PACKAGES if not find_spec(package)
    ]
    if missing:
        return f"Not installed: {', '.join(missing)}; pip install -r requirements.txt."
    where = model_location.locate_model(drawing.model, "", drawing.safety_checker, only)
    if not where.there:
        return f"The model {drawing.model} {where.found}."
    size = model_location.format_byte_count(where.bytes)
    notes = (
        []
        if where.folder
        else [f"The first picture waits for the download of {drawing.model}, about {size}."]
    )
    if not _has_likely_gpu():
        seconds = (
            passes
            * (drawing.generation_size / 512) ** 2
            * diffusion_requirements.UNET_PASS_FLOP["cpu"]
            / _measure_cpu_flops()
        )
        notes.append(
            f"There is no GPU here; a picture takes very roughly {diffusion_requirements.format_rough_duration(seconds)}."
        )
    return " ".join(notes)


def describe_service_obstacles() -> str:
    """Why the OpenAI API cannot be asked; nothing is sent."""
    need = openai_client.check_api_key("")
    return "" if need.there else f"{need.what} is {need.found}."


def describe_sample_obstacles() -> str:
    """Why the sample's generator cannot draw; its weights are fetched with the first picture."""
    return "" if find_spec("torch") else "Not installed: torch; pip install -r requirements.txt."


def _has_likely_gpu() -> bool:
    """Whether torch is likely to find a GPU; asking torch itself means importing it, which takes seconds."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    return sys.platform != "linux" or any(
        map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd"))
    )


@functools.cache
def _measure_cpu_flops() -> float:
    """Floating-point operations per second of a matrix product, as drawing_device.speed has them of torch: a tenth more."""
    matrix, seconds = np.ones((1024, 1024), np.float32), []
    for _ in range(4):
        start = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - start)
    return 2 * 1024**3 / min(seconds)
