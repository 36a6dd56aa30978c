"""`nas-sr export --optimise`: the fastest graph of those that compute the same, in all files of a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import yaml

from nas_sr.cli.main import run
from nas_sr.export import optimise
from nas_sr.measure.graph_variants import VARIANTS, Fastest
from tests.export.small_bundles import PLAIN, write_small
from tests.search.quick import answered, quick_cpu


def _groups(path: Path) -> set[int]:
    return {each.i for node in onnx.load(path).graph.node for each in node.attribute if each.name == "group"}


def test_every_file_has_the_fastest_graph_and_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "b"
    write_small(bundle, PLAIN, ["onnxruntime"])
    (tmp_path / "quick-cpu.yaml").write_text(yaml.safe_dump(quick_cpu()))
    asked = ["export", str(bundle), "--optimise", "--hw", str(tmp_path / "quick-cpu.yaml"), "--json"]
    answered(asked)
    found = json.loads((bundle / "bundle.json").read_text())["graph"]
    assert set(found["ratios"]) == set(VARIANTS)
    assert found["target"] == "quick-cpu"

    ratios = {"grouped": 1.0, "dense": 0.5, "split": 2.0, "padded": 1.5}
    monkeypatch.setattr(optimise, "fastest", lambda *arguments: Fastest("dense", ratios, True))
    answered(asked)
    files = [bundle / "model.onnx", *(bundle / "onnxruntime").glob("*.onnx")]
    assert [_groups(path) for path in files] == [{1}] * 3
    card = (bundle / "README.md").read_text()
    assert "dense, the fastest on quick-cpu (latency by that as exported: grouped 1.00, dense 0.50" in card
    answered(["export", str(bundle), "--for", "vs-mlrt", "--json"])  # what was found stays
    assert _groups(next((bundle / "vs-mlrt").glob("*.onnx"))) == {1}
    assert run(["verify", str(bundle)]) == 0
