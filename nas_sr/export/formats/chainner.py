"""chaiNNer: safetensors that spandrel recognises, and an ONNX file.

The weights of a compact network load as they are. For an IMDeception network, and for a compact one without the
enlarged image added, `nas_sr.spandrel_architecture.install()` tells spandrel what they are. Where weights alone do not
tell the network, its spec is a tensor among them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from nas_sr.export.formats.base import Check, Destination, Run, Source, Target, output_by_backend
from nas_sr.export.formats.vs_mlrt import convention_check


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    from nas_sr.families.marks import marked
    from nas_sr.families.weights import save_weights

    shutil.copyfile(source.dynamic, folder / f"{source.name}.onnx")
    save_weights(marked(source.network.state_dict(), source.spec), source.spec, folder / f"{source.name}.safetensors")


def runs(folder: Path) -> list[Run]:
    """See Destination."""
    return [Run(path.name, "onnxruntime") for path in sorted(folder.glob("*.onnx"))]


def checks(folder: Path, target: Target) -> Iterator[Check]:
    """The conventions of its ONNX node."""
    for path in sorted(folder.glob("*.onnx")):
        yield convention_check(path, f"chainner/{path.name}", "conventions of chaiNNer")


DESTINATION = Destination("chaiNNer", write, runs, output_by_backend, checks=checks)
