"""The cost of an answer, and the detectors that no other beats in accuracy and cost."""

import keras
import numpy as np

from training.detectors import costs
from training.detectors.card_fields import InferenceCost
from training.onnx_files import onnx_export


def make_rows(**rows: tuple[float, float]) -> dict[str, tuple[float, InferenceCost]]:
    return {
        name: (auc, InferenceCost(1, 1.0, milliseconds))
        for name, (auc, milliseconds) in rows.items()
    }


def test_an_onnx_file_is_counted_weighed_and_timed(tmp_path):
    pixels = keras.Input((16, 16, 3))
    model = keras.Model(pixels, keras.layers.Dense(1)(keras.layers.Flatten()(pixels)))
    onnx_export.export_onnx(model, tmp_path / "model.onnx")
    cost = costs.measure_cost(tmp_path / "model.onnx")
    assert model.count_params() <= cost.parameters <= model.count_params() + 8  # and a shape or two
    assert np.isclose(cost.megabytes, (tmp_path / "model.onnx").stat().st_size / 1e6)
    assert 0 < cost.milliseconds < 1000


def test_the_front_is_what_nothing_else_beats():
    rows = make_rows(
        slow=(0.99, 90),
        slower=(0.98, 95),
        fast=(0.90, 1),
        dull=(0.80, 2),
        middle=(0.95, 10),
        tied=(0.95, 11),
    )
    assert costs.find_pareto_front(rows) == ["fast", "middle", "slow"]
