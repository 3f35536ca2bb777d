"""Simulate how often "fine-tuning helped" is said where nothing helps.

Run `python -m benchmarks.studies.gain_test`; it takes about a minute. Every null case has a source
detector and a trial that are equally good; losses differ by the noise of seeds, of images, or both.
The share of false gains must not exceed the 5% of training/gain_test.py.
"""

import numpy as np
import tyro

from runtime import console
from training import gain_test

SEED_NULLS, IMAGE_NULLS = 200_000, 2_000

REPEATS = (2, 3, 5, 10)

VALIDATION_IMAGES, IMAGES_PER_GROUP = 64, 2


def main(seed: int = 0) -> None:
    """Print the share of false gains, by number of fresh seeds.

    Args:
        seed: of the simulation.
    """
    random = np.random.default_rng(seed)
    rows = [
        [
            str(repeats),
            f"{simulate_seed_noise(random, repeats, source_noise=0):.4f}",
            f"{simulate_seed_noise(random, repeats, source_noise=1):.4f}",
            f"{simulate_image_noise(random, repeats):.4f}",
        ]
        for repeats in REPEATS
    ]
    console.print_table(
        f"Share of false gains: {SEED_NULLS:,} nulls of seeds, {IMAGE_NULLS:,} of images",
        ("fresh seeds", "source without seed noise", "source with it", "noise of images and seeds"),
        rows,
    )


def simulate_seed_noise(random: np.random.Generator, repeats: int, source_noise: float) -> float:
    """Return the share of false gains where losses differ by the noise of seeds alone.

    Args:
        source_noise: standard deviation of the source's own luck, in those of a seed.
    """
    if repeats < gain_test.MIN_GAIN_SEEDS:
        return 0.0
    source = source_noise * random.normal(size=(SEED_NULLS, 1))
    p_values = gain_test.compute_seed_p(source - random.normal(size=(SEED_NULLS, repeats)))
    return float(np.mean(p_values < gain_test.GAIN_SIGNIFICANCE))


def simulate_image_noise(random: np.random.Generator, repeats: int) -> float:
    """Return the share of false gains where two detectors err on different groups of images.

    Their losses differ by the noise of groups and images, and by that of seeds, a tenth of it.
    """
    n_groups = VALIDATION_IMAGES // IMAGES_PER_GROUP
    groups = [str(group) for group in np.repeat(np.arange(n_groups), IMAGES_PER_GROUP)]
    labels = np.arange(n_groups).repeat(IMAGES_PER_GROUP) % 2
    n_false = 0
    for _ in range(IMAGE_NULLS):
        shared = random.normal(size=n_groups).repeat(IMAGES_PER_GROUP)
        difference = shared + random.normal(size=VALIDATION_IMAGES)
        losses = [difference + 0.1 * random.normal(size=VALIDATION_IMAGES) for _ in range(repeats)]
        test = gain_test.compare_losses(np.zeros(VALIDATION_IMAGES), losses, labels, groups)
        n_false += test.is_gain
    return n_false / IMAGE_NULLS


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main))
