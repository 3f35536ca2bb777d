"""Train a small autoencoder for reconstructions, where no model hub can be reached.

Run `python -m benchmarks.studies.small_autoencoder PHOTOS OUT`.

It has the architecture of Stable Diffusion's in diffusers with a hundredth of the parameters, and
is trained for some minutes on crops of the photographs. `python -m data_collection --generated
reconstruction:100@OUT` then passes photographs through it.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tyro

from data_collection.images import decode, errors
from runtime import console

LEVEL_CHANNELS = (32, 64)
"""Channels of every level; all levels but the last halve the sides. Shrinking by eight, as in
Stable Diffusion, takes too long to learn: after ten minutes the reconstructions are so soft that
`data_collection` rejects them as enlarged."""

SPECTRUM_LOSS_WEIGHT = 0.05
"""Weight of the loss on the logarithm of the spectrum; the other losses allow blur."""


def main(
    photos: tyro.conf.Positional[Path],
    out: tyro.conf.Positional[Path],
    minutes: float = 10,
    seed: int = 0,
) -> None:
    """Train and save the autoencoder.

    Args:
        photos: folder with photographs, subfolders included.
        out: folder for the model.
        minutes: training time.
        seed: seed of crops and initial weights; the result also depends on the machine's speed.
    """
    import torch
    from diffusers import AutoencoderKL

    squares = [
        square
        for path in sorted(photos.rglob("*"))
        if path.is_file()
        for square in load_square(path)
    ]
    if not squares:
        raise console.PlainError(
            f"{photos} contains no readable image. Name a folder with photographs."
        )
    torch.manual_seed(seed)
    model = AutoencoderKL(
        block_out_channels=LEVEL_CHANNELS,
        norm_num_groups=8,
        latent_channels=8,
        mid_block_add_attention=False,
        down_block_types=("DownEncoderBlock2D",) * len(LEVEL_CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(LEVEL_CHANNELS),
    )
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    started, reported = time.monotonic(), -1.0
    for step, crops in enumerate(iterate_batches(squares, np.random.default_rng(seed)), 1):
        progress = (time.monotonic() - started) / (60 * minutes)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - min(progress, 1)) * min(1, step / 50)
        pixels = torch.from_numpy(crops)
        reconstructed = model.decode(model.encode(pixels).latent_dist.mode()).sample
        error = reconstructed - pixels
        loss = error.abs().mean() + sum(torch.diff(error, dim=axis).abs().mean() for axis in (2, 3))
        spectra = [
            torch.log(torch.fft.rfft2(images, norm="ortho").abs() + 0.01)
            for images in (reconstructed, pixels)
        ]
        loss = loss + SPECTRUM_LOSS_WEIGHT * (spectra[0] - spectra[1]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if progress >= reported + 0.1 or progress >= 1:
            reported = progress
            console.print_message(f"{progress:4.0%}: step {step}, loss {loss.item():.4f}.")
        if progress >= 1:
            break
    model.eval().save_pretrained(out / "vae")
    console.print_message(
        f"{out}: {sum(weights.numel() for weights in model.parameters()):,} parameters, trained on "
        f"{len(squares)} images."
    )


def load_square(path: Path) -> list[np.ndarray]:
    """Load the centre square as float32 in -1..1, shape (3, side, side), side at most 384.

    Return an empty list for a file that is not an image.
    """
    try:
        square = decode.decode_face(path.read_bytes()).square
    except errors.UnreadableImage:
        return []
    square.thumbnail((384, 384))
    return [np.moveaxis(np.asarray(square.convert("RGB"), dtype=np.float32) / 127.5 - 1, 2, 0)]


def iterate_batches(
    squares: list[np.ndarray], rng: np.random.Generator, batch_size: int = 12, side: int = 96
) -> Iterator[np.ndarray]:
    """Yield random crops without end, float32, shape (batch_size, 3, side, side)."""
    squares = [square for square in squares if square.shape[1] >= side]
    while True:
        crops = [
            cut_random_crop(squares[rng.integers(len(squares))], rng, side)
            for _ in range(batch_size)
        ]
        yield np.stack(crops)


def cut_random_crop(square: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    top, left = rng.integers(square.shape[1] - side + 1, size=2)
    return square[:, top : top + side, left : left + side]


if __name__ == "__main__":
    console.run_command(
        lambda: tyro.cli(main, prog="python -m benchmarks.studies.small_autoencoder")
    )
