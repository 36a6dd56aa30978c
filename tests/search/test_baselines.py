"""A network from elsewhere, measured and scored like a candidate, stands beside the front in the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.search.store import StudyStore
from tests.onnx_files import BYTES, OPEN_LAST, enlarger, saved
from tests.search.quick import answered, searched, write_configs

RIVAL = ImdeceptionSpec(core=2, gidbs=1, depth=1, head=8)


def test_competitor_is_measured_scored_and_shown(tmp_path: Path) -> None:
    searched([*write_configs(tmp_path), "--budget", "2"])
    onnx = tmp_path / "some one's network.onnx"
    export_onnx(build(RIVAL, seed=0), onnx)
    where = ["--studies", str(tmp_path / "studies")]
    measured, _ = answered(["measure", str(onnx), "--as", "Rival <1>", "--study", "quick", *where, "--json"])
    assert (measured["kind"], measured["target"]) == ("measured", "quick-cpu")

    (baseline,) = StudyStore.open(tmp_path / "studies" / "quick").record().baselines
    assert baseline.name == "Rival <1>"
    assert baseline.latency.latency_ms == measured["latency_ms"]
    # Untrained, it upscales like the interpolator that every network starts as: a little under bicubic.
    bicubic_db = StudyStore.open(tmp_path / "studies" / "quick").environment()["bicubic_psnr_db"]
    assert baseline.psnr_db == pytest.approx(bicubic_db, abs=0.6)
    reports = ["--reports", str(tmp_path / "reports")]
    answered(["report", "quick", *where, *reports, "--json"])
    page = (tmp_path / "reports" / "quick" / "index.html").read_text()
    assert "Rival &lt;1&gt;" in page

    # The same network as others have it: bytes, channels last, or values in 0..255. The convention is found, and said.
    for name, made, said in [
        ("bytes", {"shape": OPEN_LAST, "last": True, "kind": BYTES, "white_in": 255, "white_out": 255}, None),
        ("255", {"white_in": 255, "white_out": 255}, "255: its values are read as RGB, 0..255"),
    ]:
        other = saved(enlarger(**made), tmp_path / f"{name}.onnx", beside=True)
        found, noted = answered(["measure", str(other), "--as", name, "--study", "quick", *where, "--json"])
        assert found["psnr_db"] == pytest.approx(bicubic_db, abs=2.5)  # repeated pixels
        assert (found["layout"], found["dtype"]) == (("nhwc", "uint8") if name == "bytes" else ("nchw", "fp32"))
        assert (found["lr_height"], found["lr_width"], found["convention"]) == (24, 24, "RGB, 0..255")
        assert (said in noted) if said else noted == ""
    _, noted = answered(
        ["measure", str(tmp_path / "255.onnx"), "--as", "255", "--range", "1", "--study", "quick", *where, "--json"]
    )
    assert "255: far below bicubic: as RGB, 0..1 it has" in noted

    twice = tmp_path / "x2.onnx"
    export_onnx(build(RIVAL.at_scale(2), seed=0), twice)
    _, said = answered(["measure", str(twice), "--as", "x2", "--study", "quick", *where], status=2)
    assert "does not enlarge by 4" in said
    fixed = tmp_path / "fixed.onnx"
    export_onnx(build(RIVAL, seed=0), fixed, (24, 24))
    _, said = answered(["measure", str(fixed), "--as", "fixed", "--study", "quick", *where], status=2)
    assert "any height and width" in said
    _, said = answered(["measure", str(onnx), "--layout", "nhwc", *where], status=2)
    assert "not nhwc" in said
    elsewhere = ["measure", str(onnx), "--as", "R", "--study", "quick", "--hw", "cpu", *where]
    _, said = answered(elsewhere, status=2)
    assert "no latencies on cpu, only on quick-cpu" in said
