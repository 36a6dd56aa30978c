"""Which of the graphs that compute the same a bundle's files have: the fastest on its target."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nas_sr.callbacks import Tell
from nas_sr.families.network import FamilyNetwork
from nas_sr.measure.graph_variants import AS_EXPORTED, VARIANTS, fastest
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.measure.profile import HardwareProfile


class Graph(BaseModel):
    """What was chosen, and on what grounds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    variant: str = AS_EXPORTED
    target: str = ""
    ratios: dict[str, float] = {}  # latency of each variant by that of the graph as exported
    stable: bool = True

    @property
    def known(self) -> str:
        """The variant, as far as this version has it."""
        return self.variant if self.variant in VARIANTS else AS_EXPORTED

    def __str__(self) -> str:
        others = ", ".join(f"{name} {ratio:.2f}" for name, ratio in self.ratios.items())
        doubt = "" if self.stable else "; not stable"
        return f"{self.variant}, the fastest on {self.target} (latency by that as exported: {others}{doubt})"


def fastest_graph(network: FamilyNetwork, target: HardwareProfile, progress: Tell | None = None) -> Graph:
    """Times a network's graphs in turn on a target, at its input size.

    Raises:
        MeasurementFailed: they cannot be timed there.
        WorkError: a graph computes something else.
    """
    with tempfile.TemporaryDirectory(prefix="nas-sr-graphs-") as name:
        path = Path(name) / "network.onnx"
        export_onnx(network, path, (target.lr_height, target.lr_width))
        found = fastest(path, Path(name), target, progress)
    return Graph(variant=found.variant, target=target.name, ratios=found.ratios, stable=found.stable)
