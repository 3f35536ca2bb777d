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
"""Channels; every level but the last halves the sides. Shrinking by eight, as the real ones do,
takes long to learn: what comes back after ten minutes is so soft that `data_collection` refuses it
as enlarged."""

SPECTRUM_LOSS_WEIGHT = 0.05
"""Weight of the loss on the logarithm of the spectrum, which asks for detail where the others are
content with blur."""


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

    pictures = [
        picture
        for path in sorted(photos.rglob("*"))
        if path.is_file()
        for picture in load_square(path)
    ]
    if not pictures:
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
    started, said = time.monotonic(), -1.0
    for step, crops in enumerate(iterate_batches(pictures, np.random.default_rng(seed)), 1):
        gone = (time.monotonic() - started) / (60 * minutes)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - min(gone, 1)) * min(1, step / 50)
        pixels = torch.from_numpy(crops)
        made = model.decode(model.encode(pixels).latent_dist.mode()).sample
        error = made - pixels
        loss = error.abs().mean() + sum(torch.diff(error, dim=way).abs().mean() for way in (2, 3))
        spectra = [
            torch.log(torch.fft.rfft2(each, norm="ortho").abs() + 0.01) for each in (made, pixels)
        ]
        loss = loss + SPECTRUM_LOSS_WEIGHT * (spectra[0] - spectra[1]).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if gone >= said + 0.1 or gone >= 1:
            said = gone
            console.print_message(f"{gone:4.0%}: step {step}, loss {loss.item():.4f}.")
        if gone >= 1:
            break
    model.eval().save_pretrained(out / "vae")
    console.print_message(
        f"{out}: {sum(weights.numel() for weights in model.parameters()):,} parameters, trained on "
        f"{len(pictures)} images."
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
    pictures: list[np.ndarray], rng: np.random.Generator, rows: int = 12, side: int = 96
) -> Iterator[np.ndarray]:
    pictures = [picture for picture in pictures if picture.shape[1] >= side]
    while True:
        yield np.stack(
            [cut_random_crop(pictures[rng.integers(len(pictures))], rng, side) for _ in range(rows)]
        )


def cut_random_crop(picture: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    top, left = rng.integers(picture.shape[1] - side + 1, size=2)
    return picture[:, top : top + side, left : left + side]


if __name__ == "__main__":
    console.run_command(
        lambda: tyro.cli(main, prog="python -m benchmarks.studies.small_autoencoder")
    )
