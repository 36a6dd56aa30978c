from __future__ import annotations

import pytest

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.backends.base import CPU
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure import latency_cache
from nas_sr.measure.all_runtimes import by_all_runtimes
from nas_sr.measure.latency_cache import Exported, cached_or_measured
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.profile import profile
from tests.own_cache import use_own_cache

WITH_ATTENTION = ImdeceptionSpec(core=4, gidbs=2, depth=2, nla_after=(1,))


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    use_own_cache(tmp_path / "cache", monkeypatch, (16, 24))


def test_every_runtime_of_the_device_has_a_row_in_each_precision_with_a_figure_or_a_reason(quick, monkeypatch):
    pytest.importorskip("openvino")
    pytest.importorskip("ncnn")
    exports = []
    monkeypatch.setattr(
        latency_cache, "export_untrained", lambda *asked: (exports.append(asked), export_untrained(*asked))
    )
    with Exported(WITH_ATTENTION) as network:
        rows = by_all_runtimes(quick(), lambda target: cached_or_measured(network, target))
    assert len(exports) == 1
    assert [(row.backend, row.precision) for row in rows] == [
        (name, precision)
        for name, runtime in RUNTIMES.items()
        if runtime.device == CPU
        for precision in runtime.precisions
    ]
    found = {(row.backend, row.precision): row for row in rows}
    for name in ("onnxruntime", "openvino"):
        row = found[name, "fp32"]
        assert (row.latency.backend, row.latency.precision, row.reason) == (name, "fp32", "")
        assert (row.latency.machine["session"]["precision"], row.summary()["reason"]) == ("fp32", "")
    unable = found["ncnn", "fp32"]
    assert unable.latency is None
    assert "cannot do layers of the network: /nlas.0/Reshape" in unable.reason
    assert unable.summary() == {
        "backend": "ncnn",
        "precision": "fp32",
        **dict.fromkeys(("latency_ms", "raw_latency_ms", "relative_latency", "stable")),
        "reason": unable.reason,
    }


def test_figures_of_two_runtimes_and_precisions_are_never_taken_for_each_other(quick):
    asked = []

    def measured(target):
        asked.append(target.identity())
        raise MeasurementFailed("device", "not here")

    rows = by_all_runtimes(quick(), measured)
    assert {row.reason for row in rows} == {"not here"}
    assert all(asked.count(each) == 1 for each in asked)


def test_runtimes_of_another_device_have_no_row():
    def measured(target):
        raise MeasurementFailed("device", "not here")

    rows = by_all_runtimes(profile("rtx2080"), measured)
    assert {row.backend for row in rows} == {"tensorrt", "trtexec", "tensorrt-rtx"}
