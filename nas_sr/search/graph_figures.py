"""Objectives that follow from the graph which is deployed on a target: computed before anything is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from nas_sr.families.base import Spec
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.profile import HardwareProfile
from nas_sr.objectives import named
from nas_sr.onnx_file import read_onnx
from nas_sr.onnx_memory import Graph


def graph_figures(spec: Spec, profile: HardwareProfile, names: Iterable[str]) -> dict[str, float]:
    """The figures of those of the named objectives that need the graph, by name; the network is exported once.

    Raises:
        ExportError: the network cannot be exported.
        WorkError: a figure does not follow from the graph.
    """
    wanted = {name: compute for name in dict.fromkeys(names) if (compute := named(name).graph) is not None}
    if not wanted:
        return {}
    with tempfile.TemporaryDirectory(prefix="nas-sr-export-") as folder:
        path = Path(folder) / "network.onnx"
        with SharedDevice("cpu"):  # exporting is work, and another candidate may be being measured
            export_untrained(spec, path, (profile.lr_height, profile.lr_width))
        graph = Graph(read_onnx(path).model, 2 if profile.precision == "fp16" else 4)
    return {name: compute(graph) for name, compute in wanted.items()}
