"""TensorRT: files of the target's size in fp32 and fp16, in the opset that its versions read, and how to build engines.

An engine fits one GPU and one version only, so it is no part of a bundle. Where TensorRT for RTX is installed, it shows
without a GPU that one can be built.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas_sr.device_program.backends import backend
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.export.formats.base import (
    Check,
    Destination,
    Run,
    Source,
    Target,
    output_by_backend,
    static_files,
    title_of,
)
from nas_sr.export.formats.tensorrt_recipe import opset, recipe

RECIPE = "README.md"
# Of TensorRT for RTX: the oldest compute capability that it serves, the oldest that it multiplies fp32 matrices on, and
# the one that it builds for where the target has none.
_OLDEST, _OLDEST_FP32, _USUAL = (7, 5), (8, 0), "8.6"


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    for path in (source.static("fp32", opset(source.target)), source.static("fp16", opset(source.target))):
        shutil.copyfile(path, folder / path.name)
    (folder / RECIPE).write_text(recipe(source.name, source.target))


def runs(folder: Path) -> list[Run]:
    """See Destination. ONNX Runtime reads the files wherever there is no TensorRT."""
    files = static_files(folder)
    return [Run(name, by, precision, size) for name, precision, size in files for by in ("onnxruntime", "tensorrt")]


def output(folder: Path, run: Run, image: np.ndarray) -> np.ndarray:
    """See Destination."""
    if run.runtime != "tensorrt":
        return output_by_backend(folder, run, image)
    module = backend("tensorrt")
    settings = Settings(image.shape[2], image.shape[3], run.precision)
    fp32 = folder / run.file.replace("-fp16", "-fp32")
    with tempfile.TemporaryDirectory(prefix="nas-sr-engine-") as name:
        engine = Path(name) / "engine"
        module.build(OnnxFiles(fp32, folder / fp32.name.replace("-fp32", "-fp16")), engine, settings)
        found: np.ndarray = module.infer(engine, image, settings)
    return found


def checks(folder: Path, target: Target) -> Iterator[Check]:
    """Whether TensorRT for RTX builds them for the target's GPU."""
    from nas_sr.measure.ahead_of_time import BuildFailed, build_ahead

    capability = target.compute_capability or _USUAL
    generation = tuple(map(int, capability.split(".")))
    by = title_of("tensorrt-rtx")
    for name, precision, (height, width) in static_files(folder):
        what = f"tensorrt/{name}"
        if generation < (_OLDEST if precision == "fp16" else _OLDEST_FP32):
            yield Check(what, "skipped", f"it does not build {precision} for compute capability {capability}", by)
            continue
        try:  # "fp32" takes the file as it is, and TensorRT for RTX every type from the file
            built = build_ahead(folder / name, capability, "fp32", height, width)
        except BuildFailed as failure:
            yield Check(what, "skipped" if failure.kind == "device" else "failed", str(failure), by)
        else:
            text = f"builds for compute capability {capability}, {built.kernels} kernels; nothing was run"
            yield Check(what, "ok", text, by)


DESTINATION = Destination("TensorRT", write, runs, output, checks=checks)
