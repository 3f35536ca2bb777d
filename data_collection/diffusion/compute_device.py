"""Choose the GPU or CPU that generates, measure its speed, and estimate its batch size."""

import functools
import os
import time

# Half precision on the GPU.
DTYPE_BY_DEVICE = {"cuda": "float16", "mps": "float32", "cpu": "float32"}

# One 512 x 512 image in half precision needs less, generated with guidance and decoded by itself.
GPU_BYTES_PER_IMAGE = 1_000_000_000
GENERATION_MAX_GPU_BATCH_IMAGES = 32
GENERATION_CPU_BATCH_IMAGES = 2


def choose_device() -> str:
    """Return the GPU of this process, as accelerate and torchrun number them; else the CPU."""
    import torch

    if torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@functools.cache
def measure_flop_per_second(device: str) -> float:
    """Measure a matrix product in floating-point operations per second; takes 0.1 s."""
    import torch

    side = 2048 if device == "cpu" else 8192
    dtype = getattr(torch, DTYPE_BY_DEVICE[device.partition(":")[0]])
    matrix = torch.randn(side, side, device=device).to(dtype)
    float((matrix @ matrix)[0, 0])  # the first product also loads kernels, so it is not measured
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(3):
            product = matrix @ matrix
        float(product[0, 0])
        seconds.append(time.perf_counter() - start)
    return 3 * 2 * side**3 / min(seconds)


def estimate_batch_size(device: str, size: int) -> int:
    import torch

    if not device.startswith("cuda"):
        return GENERATION_CPU_BATCH_IMAGES
    fitting = torch.cuda.mem_get_info(device)[0] / (GPU_BYTES_PER_IMAGE * (size / 512) ** 2)
    return int(min(max(fitting, 1), GENERATION_MAX_GPU_BATCH_IMAGES))


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise the errors of Python, torch and TensorFlow that mean too little memory."""
    phrases = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "oom when allocating",
        "resource_exhausted",
    )
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in message for phrase in phrases)
