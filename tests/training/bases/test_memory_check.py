"""A base that the memory cannot hold is refused in one sentence."""

import keras
import pytest

from runtime import console
from toys import bases
from training.bases import base_models, loaded_base, memory_check
from training.bases import weights as base_weights


@pytest.fixture
def free(tmp_path, monkeypatch):
    """Return a function that sets the free memory in kB."""
    monkeypatch.setattr(memory_check, "MEMORY_FILE", tmp_path / "meminfo")

    def set_free(kilobytes: object) -> None:
        (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable: {kilobytes} kB\n")

    return set_free


def test_a_large_base_is_refused_where_little_memory_is_free_and_a_small_one_is_not(free):
    free(1_000_000)
    with pytest.raises(console.PlainError) as caught:
        loaded_base.load_base(base_weights.find_base_weights("clip_vit_b16", "random"))
    assert str(caught.value) == (
        "clip_vit_b16 needs about 1.7 GB of memory, and 1.0 GB are free. Close other programs, or "
        "choose a smaller one: --bases mobilenet_v2."
    )
    memory_check.check_memory("mobilenet_v2")


@pytest.mark.parametrize("kilobytes", ["2000000", "", "many"])
def test_nothing_is_refused_where_there_is_enough_or_nobody_knows(free, kilobytes):
    free(kilobytes)
    memory_check.check_memory("clip_vit_b16")


def test_the_number_of_weights_is_that_of_the_model_but_for_its_normalisations(monkeypatch):
    bases.use_narrow_towers(monkeypatch)
    for name in ("clip_vit_b16", "dinov2_small"):
        model = base_models.build_base(name)
        normalised = sum(
            layer.count_params()
            for layer in model.layers
            if isinstance(layer, keras.layers.LayerNormalization)
        )
        counted = memory_check.TOWER_PRESETS[name].tower.count_weights()
        # Biases are few, too.
        assert counted == pytest.approx(model.count_params() - normalised, rel=0.1)
