"""Generate images in batches, halving the batch size when memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from data_collection.diffusion import compute_device
from data_collection.diffusion.pipeline_cache import LoadedPipeline
from runtime import console

Item = TypeVar("Item")


def generate_in_batches(
    items: Sequence[Item],
    loaded: LoadedPipeline,
    generate_batch: Callable[[Sequence[Item]], list[bytes]],
) -> Iterator[bytes]:
    """Yield the image of every item, in order, generating as many at a time as fit into memory.

    Raises:
        PlainError: not even one image fits into memory.
    """
    start = 0
    while start < len(items):
        batch = items[start : start + loaded.batch_size]
        images = _generate_if_it_fits(generate_batch, batch)
        if images is not None:
            start += len(batch)
            yield from images
        elif len(batch) == 1:
            raise console.PlainError(
                f"One image does not fit into the memory of {loaded.device}; give a smaller "
                "--generation-size, or stop other programs that use it."
            )
        else:
            loaded.batch_size = len(batch) // 2


def _generate_if_it_fits(
    generate_batch: Callable[[Sequence[Item]], list[bytes]], batch: Sequence[Item]
) -> list[bytes] | None:
    """Return the images of a batch; None if they do not fit into memory."""
    import torch

    try:
        return generate_batch(batch)
    except (RuntimeError, MemoryError) as error:
        if not compute_device.is_out_of_memory(error):
            raise
    # Memory can be freed only here, after the error and the frames that hold its tensors are gone.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
