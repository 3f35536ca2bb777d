"""The export of Keras models to ONNX: how tf2onnx is called."""

import os

import keras
import pytest
import tf2onnx.optimizer

from training.onnx_files import onnx_export


class FailingPass:
    """A pass of tf2onnx over the graph that fails."""

    def optimize(self, graph, iteration):
        raise ZeroDivisionError


@pytest.mark.parametrize("variable", [None, "TRUE"], ids=["unset", "set"])
def test_a_pass_that_fails_ends_the_export_and_the_environment_is_as_before(
    tmp_path, monkeypatch, variable
):
    monkeypatch.delenv(onnx_export.TF2ONNX_CATCH_VARIABLE, raising=False)
    if variable:
        monkeypatch.setenv(onnx_export.TF2ONNX_CATCH_VARIABLE, variable)
    monkeypatch.setitem(tf2onnx.optimizer._optimizers, "failing", FailingPass)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(ZeroDivisionError):
        onnx_export.export_onnx(model, tmp_path / "model.onnx")
    assert os.environ.get(onnx_export.TF2ONNX_CATCH_VARIABLE) == variable
