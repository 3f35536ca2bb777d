"""Every image passes a base once per view; features are computed again only after a change."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from data_collection.dataset import manifest
from data_collection.images import canonical
from runtime import console, hashing
from toys.images import encode_image, make_image
from training.bases import weights as base_weights
from training.features import compute_features, feature_cache
from training.features import pixels as feature_pixels
from training.features.extractor import Extractor


@pytest.fixture(scope="module")
def extractor(cache):
    return Extractor(base_weights.find_base_weights("mobilenet_v2", "random"), (32,), 32)


@pytest.fixture
def records(tmp_path):
    records = []
    for number in range(20):
        data = encode_image(make_image(number, 64))
        (tmp_path / f"{number}.png").write_bytes(data)
        name = hashing.hash_bytes(data)
        records.append(
            manifest.FaceRecord(
                id=name,
                label="real",
                source="toys",
                file=f"{number}",
                status="accepted",
                original=f"{number}.png",
            )
        )
    return records


def count_passes(extractor, monkeypatch) -> list[int]:
    """Return a list that grows by the size of every batch that runs through the base."""
    batch_sizes, run = [], extractor.run

    def run_and_count(pixels):
        batch_sizes.append(len(pixels))
        return run(pixels)

    monkeypatch.setattr(extractor, "run", run_and_count)
    return batch_sizes


def test_each_image_and_view_passes_once_and_never_again(records, tmp_path, extractor, monkeypatch):
    passes = count_passes(extractor, monkeypatch)
    first = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(2))
    assert (sum(passes), first.forward_passes) == (40, 40)
    second = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(2))
    assert (sum(passes), second.forward_passes) == (40, 0)
    assert np.array_equal(first.values, second.values)
    third = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(3))
    assert (sum(passes), third.forward_passes) == (60, 20)


def test_an_image_is_decoded_once_for_all_its_views(records, tmp_path, extractor, monkeypatch):
    decoded, decode_face = [], feature_pixels.decode.decode_face

    def decode_and_count(data, *arguments):
        decoded.append(data)
        return decode_face(data, *arguments)

    monkeypatch.setattr(feature_pixels.decode, "decode_face", decode_and_count)
    views = [0, 1, 2, -65]
    table = feature_cache.load_or_compute_features(tmp_path, records, extractor, views)
    assert len(decoded) == len(records) == len(set(decoded))
    for column, view in enumerate(views):
        shutil.rmtree(tmp_path / "features")
        alone = feature_cache.load_or_compute_features(tmp_path, records, extractor, [view])
        assert np.allclose(table.values[:, column], alone.values[:, 0], atol=1e-5)


def test_more_images_cost_only_themselves(records, tmp_path, extractor):
    feature_cache.load_or_compute_features(tmp_path, records[:15], extractor, range(2))
    table = feature_cache.load_or_compute_features(tmp_path, records[::-1], extractor, range(2))
    assert table.forward_passes == 10
    other = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(2))
    assert np.array_equal(table.values[::-1], other.values)


def test_onnx_runtime_gives_keras_features(records, tmp_path, extractor):
    onnx_values = feature_cache.load_or_compute_features(
        tmp_path, records[:4], extractor, range(1)
    ).values
    keras_extractor = Extractor(extractor.weights, (32,), 32, engine="keras")
    keras_table = feature_cache.load_or_compute_features(
        tmp_path / "other", [], keras_extractor, range(1)
    )
    assert keras_table.columns == extractor.columns
    pixels = np.stack(
        [feature_pixels.load_canonical_view(tmp_path, record, 32, 0) for record in records[:4]]
    ).astype(np.float32)
    assert np.abs(keras_extractor.run(pixels) - onnx_values[:, 0]).max() < 1e-4 * max(
        1, np.abs(onnx_values).max()
    )


def test_an_interrupted_run_keeps_its_finished_chunks(records, tmp_path, extractor, monkeypatch):
    monkeypatch.setattr(compute_features, "VIEWS_PER_CHUNK", 8)
    run, last = extractor.run, feature_pixels.load_canonical_view(tmp_path, records[16], 32, 0)

    def dies_at_the_last_batch(pixels):
        if np.array_equal(pixels[0], last):
            raise KeyboardInterrupt
        return run(pixels)

    monkeypatch.setattr(extractor, "run", dies_at_the_last_batch)
    with pytest.raises(KeyboardInterrupt):
        feature_cache.load_or_compute_features(tmp_path, records, extractor, range(1))
    monkeypatch.setattr(extractor, "run", run)
    assert (
        feature_cache.load_or_compute_features(
            tmp_path, records, extractor, range(1)
        ).forward_passes
        == 4
    )


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "shape", "nan"])
def test_a_damaged_chunk_is_noticed_and_computed_again(
    records, tmp_path, extractor, damage, capsys
):
    whole = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(1)).values
    (path,) = (tmp_path / "features" / extractor.name).glob("*.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    wrong = (
        np.zeros((20, 3), np.float32) if damage == "shape" else np.full_like(whole[:, 0], np.nan)
    )
    if damage in ("shape", "nan"):
        np.savez(path, ids=np.array([record.id for record in records]), view=0, features=wrong)
    else:
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:1000]), "empty": b""}[damage])
    table = feature_cache.load_or_compute_features(tmp_path, records, extractor, range(1))
    assert table.forward_passes == 20
    assert np.array_equal(table.values, whole)
    assert "is damaged; its features are computed again" in capsys.readouterr().err


def test_whatever_decides_a_feature_is_in_the_key(extractor, monkeypatch):
    weights = extractor.weights
    other = dataclasses.replace(weights, sha256="other")
    picture = ("picture",)
    variants = [
        (weights, (32,), 32, picture),
        (other, (32,), 32, picture),
        (weights, (64,), 32, picture),
        (weights, (32,), 64, picture),
        (weights, (32,), 32, ("residual",)),
        (weights, (32,), 32, (*picture, "residual")),
    ]
    # Only the names matter here.
    monkeypatch.setattr(Extractor, "_open_keras", lambda self: (extractor.columns, extractor.run))
    names = {
        Extractor(*arguments, engine="keras", signals=signals).name
        for *arguments, signals in variants
    }
    monkeypatch.setattr(canonical, "CANONICALISER_VERSION", 999)
    names.add(Extractor(weights, (32,), 32, engine="keras", signals=picture).name)
    assert len(names) == 7


def test_an_image_altered_since_it_was_collected_stops_the_run(records, tmp_path, extractor):
    (tmp_path / "3.png").write_bytes(encode_image(make_image(99, 64)))
    with pytest.raises(console.PlainError, match=r"3\.png was altered since it was collected"):
        feature_cache.load_or_compute_features(tmp_path, records, extractor, range(1))


def test_an_altered_exported_graph_is_exported_again(cache, extractor):
    path = extractor.onnx_path
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    exported_again = Extractor(extractor.weights, (32,), 32)
    noise = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    assert np.allclose(exported_again.run(noise), extractor.run(noise), atol=1e-6)


def test_many_features_are_mapped_from_disk_and_leave_nothing_there(
    records, tmp_path, extractor, monkeypatch
):
    whole = feature_cache.load_or_compute_features(tmp_path, records[:6], extractor, range(2))
    monkeypatch.setattr(feature_cache, "MAX_TABLE_BYTES_IN_MEMORY", 0)
    before = sorted(tmp_path.rglob("*"))
    table = feature_cache.load_or_compute_features(tmp_path, records[:6], extractor, range(2))
    assert isinstance(table.values, np.memmap) and np.array_equal(table.values, whole.values)
    assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(
        console.PlainError, match=r"are free\. Make room, or take fewer --views"
    ) as caught:
        feature_cache.load_or_compute_features(tmp_path, records[:6], extractor, range(2))
    assert caught.value.exit_code == console.EXIT_DISK
