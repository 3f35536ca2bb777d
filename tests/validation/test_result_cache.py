"""Cached arrays are read back unchanged; damage, another key and an interruption are noticed."""

import numpy as np
import pytest

from validation.result_cache import load_or_compute


def arrays() -> dict[str, np.ndarray]:
    return {
        "JPEG 90": np.linspace(0, 1, 5, dtype=np.float32),
        "file": np.array(["a", "b"]),
        "none": np.array([np.nan]),
    }


def fail() -> dict[str, np.ndarray]:
    raise AssertionError("computed again")


def test_arrays_are_read_back_and_not_computed_again(tmp_path):
    computed = load_or_compute(tmp_path / "parts", "robustness", ["model", 224, ["id"]], arrays)
    loaded = load_or_compute(tmp_path / "parts", "robustness", ("model", 224, ["id"]), fail)
    for result in (computed, loaded):
        np.testing.assert_equal(result, arrays())
        assert result["JPEG 90"].dtype == np.float32
    assert [path.name.partition("-")[0] for path in (tmp_path / "parts").iterdir()] == [
        "robustness"
    ]


@pytest.mark.parametrize(
    "name, key", [("robustness", ["model", 225]), ("occlusion", ["model", 224])]
)
def test_another_key_or_name_is_another_result(tmp_path, name, key):
    load_or_compute(tmp_path, "robustness", ["model", 224], arrays)
    assert load_or_compute(tmp_path, name, key, lambda: {"other": np.ones(1)})["other"] == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_no_damage_to_a_file_changes_a_number(tmp_path, capsys):
    load_or_compute(tmp_path, "part", [1], arrays)
    (path,) = tmp_path.iterdir()
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    damaged = [
        whole[:-30],
        whole[:60],
        b"",
        b"\x80\x04N.",
        whole.replace(b"JPEG 90", b"JPEG 80", 1),
    ]
    for _ in range(100):
        flipped = bytearray(whole)
        flipped[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        np.testing.assert_equal(load_or_compute(tmp_path, "part", [1], arrays), arrays())
    assert "Computing it again" in capsys.readouterr().err
    # What was computed again is cached again.
    np.testing.assert_equal(load_or_compute(tmp_path, "part", [1], fail), arrays())


def test_an_interrupted_computation_leaves_nothing(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_or_compute(tmp_path, "part", [1], interrupted)
    assert list(tmp_path.iterdir()) == []


def test_python_objects_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        load_or_compute(tmp_path, "part", [1], lambda: {"names": np.array([{}])})
    assert list(tmp_path.iterdir()) == []
