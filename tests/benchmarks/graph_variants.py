"""How much faster other graphs of the same network are: a table for each runtime on this processor.

    python -m tests.benchmarks.graph_variants --presets imdeception-c8 imdeception-c12 imdeception-c16

All graphs of a network are run in turn, in one window with the reference network. Ratios are to the graph as exported.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.measure.graph_variants import VARIANTS, fastest
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import export_onnx
from nas_sr.measure.profile import profile

TARGETS = ("cpu", "cpu-openvino", "cpu-ncnn")
PRESETS = ("imdeception-c4", "imdeception-c8", "imdeception-c12", "imdeception-c16")


def main() -> None:
    """Prints the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--hw", nargs="+", default=TARGETS)
    arguments.add_argument("--presets", nargs="+", default=PRESETS)
    asked = arguments.parse_args()
    for hw in asked.hw:
        target = profile(hw)
        print(f"\n{target.title}, LR input {target.lr_width}x{target.lr_height}")
        print(f"| preset | {' | '.join(VARIANTS)} | fastest |\n|---|{'---|' * (len(VARIANTS) + 1)}")
        for name in asked.presets:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "network.onnx"
                export_onnx(build(preset(name), seed=0), path, (target.lr_height, target.lr_width))
                try:
                    found = fastest(path, Path(folder), target)
                except MeasurementFailed as failure:
                    print(f"| {name} | {failure.text} |")
                    continue
            figures = " | ".join(f"{found.ratios[each]:.2f}" if each in found.ratios else "-" for each in VARIANTS)
            print(f"| {name} | {figures} | {found.variant}{'' if found.stable else ', not stable'} |", flush=True)


if __name__ == "__main__":
    main()
