from __future__ import annotations

import onnx
import pytest

from nas_sr.device_program.onnx_nodes import nodes
from nas_sr.families.presets import preset
from nas_sr.measure.onnx_export import export_untrained
from tests.onnx_files import enlarger


def test_nodes_are_those_that_the_onnx_package_reads(tmp_path):
    path = tmp_path / "n.onnx"
    export_untrained(preset("imdeception-c4-nla"), path, (16, 24))
    for model in (onnx.load(path), enlarger()):
        assert nodes(model.SerializeToString()) == [(node.op_type, node.name) for node in model.graph.node] != []


@pytest.mark.parametrize("content", [b"", b"no network", b"\xff" * 40, b"\x3a\xff\x01"])
def test_what_is_no_onnx_file_has_no_nodes(content):
    assert nodes(content) == []
