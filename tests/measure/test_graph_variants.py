"""Graphs that compute the same as an exported one."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from nas_sr.errors import WorkError
from nas_sr.measure import graph_variants
from nas_sr.measure.graph_variants import AS_EXPORTED, TILE, VARIANTS, fastest, write_variant
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.measure.profile import HardwareProfile
from tests.export.small_bundles import ATTENTION, COMPACT, PLAIN, trained
from tests.search.quick import quick_cpu

SIZE = (24, 40)


@pytest.fixture(scope="module", params=["static", "dynamic with attention"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graphs") / "network.onnx"
    static = request.param == "static"
    export_onnx(trained(PLAIN if static else ATTENTION), path, SIZE if static else None)
    return path


def _groups(model: onnx.ModelProto) -> list[int]:
    return [each.i for node in model.graph.node for each in node.attribute if each.name == "group"]


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_is_another_graph_of_the_same_network(name: str, exported: Path, tmp_path: Path) -> None:
    write_variant(exported, tmp_path / "variant.onnx", name)  # raises where it is not the same
    own, other = onnx.load(exported), onnx.load(tmp_path / "variant.onnx")
    grouped = [groups for groups in _groups(own) if groups > 1]
    assert grouped
    if name in ("dense", "split"):
        assert max(_groups(other)) == 1
        assert len(_groups(other)) == len(_groups(own)) + (sum(grouped) - len(grouped) if name == "split" else 0)
    else:
        assert _groups(other) == _groups(own)
    weights = {tensor.name: tensor.dims[0] for tensor in other.graph.initializer if len(tensor.dims) == 4}
    padded = [
        weights[node.input[1]] // each.i
        for node in other.graph.node
        for each in node.attribute
        if each.name == "group" and each.i > 1
    ]
    if name == "padded":
        assert all(channels % TILE == 0 for channels in padded)
    names = {name for node in other.graph.node for name in node.input}
    assert {tensor.name for tensor in other.graph.initializer} <= names


def test_graph_that_computes_something_else_is_refused(exported: Path, tmp_path: Path, monkeypatch) -> None:
    def broken(model: onnx.ModelProto) -> None:
        VARIANTS["dense"](model)
        tensor = next(each for each in model.graph.initializer if each.name.endswith("bias variant"))
        tensor.raw_data = bytes(len(tensor.raw_data) - 4) + b"\0\0\x80?"

    monkeypatch.setattr(graph_variants, "VARIANTS", {**VARIANTS, "broken": broken})
    with pytest.raises(WorkError, match=r"the broken graph differs by .*; less than 1e-05 is allowed"):
        write_variant(exported, tmp_path / "variant.onnx", "broken")
    assert not (tmp_path / "variant.onnx").exists()


def test_fastest_is_the_least_of_those_timed_in_turn(tmp_path: Path) -> None:
    export_onnx(trained(PLAIN), tmp_path / "network.onnx", SIZE)
    hardware = HardwareProfile.model_validate(quick_cpu() | {"lr_height": SIZE[0], "lr_width": SIZE[1]})
    (tmp_path / "others").mkdir()
    found = fastest(tmp_path / "network.onnx", tmp_path / "others", hardware)
    assert set(found.ratios) == set(VARIANTS)
    assert found.ratios[AS_EXPORTED] == 1.0
    assert found.ratios[found.variant] == min(found.ratios.values())


def test_network_without_groups_has_one_graph_and_is_not_timed(tmp_path: Path, monkeypatch) -> None:
    export_onnx(trained(COMPACT), tmp_path / "network.onnx", SIZE)
    monkeypatch.setattr(graph_variants, "measure", None)
    hardware = HardwareProfile.model_validate(quick_cpu())
    assert fastest(tmp_path / "network.onnx", tmp_path, hardware) == (AS_EXPORTED, {AS_EXPORTED: 1.0}, True)
