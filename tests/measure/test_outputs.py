from __future__ import annotations

import numpy as np
import pytest

from nas_sr.errors import UsageError
from nas_sr.measure import fresh_process
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.outputs import runtime_output
from tests.onnx_files import enlarger, saved


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_output_is_that_of_the_file_at_the_images_size(tmp_path, name):
    pytest.importorskip(name)
    path = saved(enlarger(), tmp_path / "n.onnx")
    image = np.random.default_rng(1).random((2, 3, 5, 7), dtype=np.float32)
    found = runtime_output(path, image, name)
    assert found == pytest.approx(image.repeat(4, axis=2).repeat(4, axis=3), abs=1e-6)


def test_what_the_runtime_cannot_do_is_told_with_runtime_and_precision(tmp_path):
    path = saved(enlarger(), tmp_path / "n.onnx")
    image = np.zeros((1, 3, 5, 7), np.float32)
    with pytest.raises(MeasurementFailed, match=r"onnxruntime in bf16: .* runs networks in fp32 here") as caught:
        runtime_output(path, image, "onnxruntime", "bf16")
    assert caught.value.kind == "device"
    with pytest.raises(UsageError, match="unknown backend 'tflite'; known: "):
        runtime_output(path, image, "tflite")
    with pytest.raises(UsageError, match=r"must be fp32 of shape \(n, 3, h, w\), but is float64 of \(5, 7, 3\)"):
        runtime_output(path, np.zeros((5, 7, 3)), "onnxruntime")


def test_process_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    path = saved(enlarger(), tmp_path / "n.onnx")
    monkeypatch.setattr("nas_sr.measure.outputs.LIMIT_S", 0.01)
    with pytest.raises(MeasurementFailed, match=r"the run was ended after 0\.01 s") as caught:
        runtime_output(path, np.zeros((1, 3, 5, 7), np.float32), "onnxruntime")
    assert caught.value.kind == "candidate"
    assert fresh_process.answer.__module__ == "nas_sr.measure.fresh_process"
