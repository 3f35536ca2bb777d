"""Speed of an epoch on cached activations against the whole model, in turns, on noise."""

import statistics
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.measuring import Figure, timed
from finetuning import boundary_cache, unfreezing
from finetuning.parent import Parent
from training import base_weights, detector
from training.detector import Member

SIDE, BATCH, ROUNDS = 160, 32, 9

CASES = (
    ("mobilenet_v2", "block16", "last block", 5.0),
    ("mobilenet_v2", "block14", "last three blocks", 3.0),
    ("xception", "top", "last block", 3.5),
)
"""Base, lowest opened block, what that is, and the ratio promised."""


def figures() -> list[Figure]:
    found = []
    for name in dict.fromkeys(case[0] for case in CASES):
        parent = simple_parent(name)
        found += [ratio(parent, lowest, what, promised) for base, lowest, what, promised in CASES if base == name]
    return found


def simple_parent(name: str) -> Parent:
    """A pretrained base with a linear head on the mean of its last tap."""
    import keras

    base = base_weights.load(base_weights.find(name))
    columns = [column for column in detector.layout(base, name, (SIDE,)) if (column.tap, column.statistic) == ("top", "mean")]
    head = keras.Sequential([keras.Input((columns[0].stop - columns[0].start,)), keras.layers.Dense(1)], name="head1")
    card = SimpleNamespace(base={"name": name}, image_size=SIDE)
    return Parent(Path(), card, base, [Member(columns, head, 1.0)], [base.get_weights(), head.get_weights()])


def ratio(parent: Parent, lowest: str, what: str, promised: float) -> Figure:
    import keras

    name = parent.card.base["name"]
    blocks = unfreezing.blocks(parent.base, name)
    depth = unfreezing.deepest(lowest, blocks)
    unfreezing.open_blocks(parent.base, blocks[:depth])
    boundaries = [boundary_cache.choose(parent, blocks[:depth], 1, disk) for disk in (1, 0)]
    labels = (np.arange(BATCH) % 2).astype(np.float32)[:, None]
    steps = []
    for boundary in boundaries:
        model = boundary_cache.tail(parent, boundary)
        model.compile(keras.optimizers.Adam(1e-5), keras.losses.BinaryCrossentropy(from_logits=True))
        draw = np.random.default_rng(0)
        x = tuple(
            draw.uniform(0, 255 if not boundary.tap else 1, (BATCH, *shape)).astype(np.float32) for shape in boundary.shapes
        )
        model.train_on_batch(x, labels)
        steps.append(lambda model=model, x=x: model.train_on_batch(x, labels))
    ratios = tuple(timed(steps[1]) / timed(steps[0]) for _ in range(ROUNDS))
    title = f"fine-tuning {name} at {SIDE} px, batches of {BATCH}, {what}: whole model over cached activations"
    return Figure(title, statistics.median(ratios), "x", least=promised, repetitions=ratios)
