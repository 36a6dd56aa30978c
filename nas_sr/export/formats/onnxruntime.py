"""ONNX Runtime: files of the target's size, in fp32 and fp16; model.onnx in the bundle itself takes any size.

ONNX Runtime has no fp16 arithmetic on CPUs, where it keeps fp32 between the layers of the fp16 file.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from nas_sr.export.formats.base import Destination, Run, Source, output_by_backend, static_files


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    shutil.copyfile(source.static("fp32"), folder / source.static("fp32").name)
    shutil.copyfile(source.static("fp16"), folder / source.static("fp16").name)


def runs(folder: Path) -> list[Run]:
    """See Destination."""
    return [Run(name, "onnxruntime", precision, size) for name, precision, size in static_files(folder)]


DESTINATION = Destination("ONNX Runtime", write, runs, output_by_backend)
