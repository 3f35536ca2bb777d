"""The search over heads: many at once, one by one, and the usual way with the frozen base inside the model."""

import statistics
from pathlib import Path

import numpy as np

from benchmarks.measuring import Figure, timed

SIDE, TRIALS, EPOCHS = 160, 30, 6
"""Trials end early after five epochs without a gain at the soonest, so each of these runs to its end, whoever trains it."""


def figures(place: Path, data: Path) -> list[Figure]:
    """Of MobileNetV2 at SIDE pixels; all searches propose the same trials and write curves and weights.

    Args:
        place: folder for the searches.
        data: a data set whose features at SIDE pixels are not in its cache.
    """
    from training import base_weights, feature_cache, head_search
    from training.dataset import read
    from training.feature_cache import Extractor
    from training.heads import TrainingFaces

    faces = read(data.parent, data)
    extractor = Extractor(base_weights.find("mobilenet_v2"), (SIDE,), SIDE)
    records, found = faces.train + faces.validation, []
    extraction = timed(lambda: found.append(feature_cache.features(data, records, extractor, 1)))
    table, held = found[0], len(faces.train)
    labels = faces.labels(faces.train), faces.labels(faces.validation)
    seen = {"mobilenet_v2": TrainingFaces(table.columns, table.values[:held], table.values[held:], *labels)}

    def searched(name: str, one_by_one: bool) -> float:
        folders = place / name / "searches", place / name / "logs"
        return timed(lambda: head_search.search(seen, name, *folders, "random", TRIALS, EPOCHS, 64, 0, one_by_one=one_by_one))

    waves = [searched("first wave", one_by_one=False)]
    single = searched("one by one", one_by_one=True)
    waves += [searched(f"{number} wave", one_by_one=False) for number in ("second", "third")]
    ratios = tuple(single / wave for wave in waves)
    usual = TRIALS * EPOCHS * usual_epoch(faces, "mobilenet_v2", SIDE)
    what = f"{len(records)} images, {TRIALS} trials of {EPOCHS} epochs, MobileNetV2 at {SIDE} px"
    return [
        Figure(f"search, {what}", statistics.median(waves), "s", repetitions=tuple(waves)),
        Figure("the same trials, one by one in Keras", statistics.median(ratios), "x", least=10, repetitions=ratios),
        Figure("extraction of their features", extraction, "s"),
        Figure(
            "the usual search over extraction and search (extrapolated)", usual / (extraction + statistics.median(waves)), "x"
        ),
    ]


def usual_epoch(data, name: str, side: int) -> float:
    """Seconds of an epoch, training and validation, averaged over two, of a model that has the frozen base inside."""
    import keras

    from training import base_models, base_weights, feature_cache

    base = base_weights.load(base_weights.find(name))
    base.trainable = False
    pixels = keras.Input((side, side, 3))
    features = base(base_models.preprocessed(pixels, name), training=False)
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(features)))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    x, x_val = (
        np.stack([feature_cache.canonical(data.folder, record, side, 0) for record in part]).astype(np.float32)
        for part in (data.train, data.validation)
    )
    y, y_val = data.labels(data.train), data.labels(data.validation)
    return timed(lambda: model.fit(x, y, validation_data=(x_val, y_val), epochs=2, batch_size=64, verbose=0)) / 2
