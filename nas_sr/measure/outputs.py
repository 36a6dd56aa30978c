"""What a runtime makes of an image in a precision: PSNR belongs to the network as it is deployed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from nas_sr.device_program import infer
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.settings import Precision, Settings
from nas_sr.errors import UsageError, unknown_name
from nas_sr.measure import fresh_process
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_fp16 import write_fp16
from nas_sr.measure.onnx_static import write_static

LIMIT_S = 300.0


def runtime_output(
    onnx_path: Path, image: np.ndarray, backend: str, precision: Precision = "fp32", *, threads: int = 1
) -> np.ndarray:
    """The output of a network as a runtime on this machine computes it, in a fresh process, as it does when timed.

    Args:
        onnx_path: takes one fp32 image with channels first, of this image's size or of any.
        image: (n, 3, h, w), fp32, in the network's own values; several are run one after the other.
        backend: name of the runtime.
        precision: of weights and arithmetic.
        threads: of a CPU.

    Returns:
        (n, 3, scale * h, scale * w), fp32.

    Raises:
        UsageError: no such backend or image, or the file does not take it.
        MeasurementFailed: of kind device, the runtime or the precision is not to be had here; of kind candidate, the
            runtime cannot run the network.
    """
    if backend not in RUNTIMES:
        raise unknown_name("backend", backend, RUNTIMES)
    if image.ndim != 4 or image.shape[1] != 3 or not len(image) or image.dtype != np.float32:
        raise UsageError(f"the image must be fp32 of shape (n, 3, h, w), but is {image.dtype} of {image.shape}")
    height, width = image.shape[2:]
    settings = Settings(lr_height=height, lr_width=width, precision=precision, threads=threads)
    with tempfile.TemporaryDirectory(prefix="nas-sr-output-") as name:
        folder = Path(name)
        files = {key: folder / f"{key}.onnx" for key in ("fp32", "fp16")}
        write_static(onnx_path, files["fp32"], (height, width), "nchw")
        if precision == "fp16":
            write_fp16(files["fp32"], files["fp16"])
        np.save(folder / "image.npy", image)
        asked = {
            "backend": backend,
            "fp32": str(files["fp32"]),
            "fp16": str(files["fp16"]) if precision == "fp16" else None,
            "engine": str(folder / "engine"),
            "image": str(folder / "image.npy"),
            "output": str(folder / "output.npy"),
            "settings": settings._asdict(),
        }
        try:
            fresh_process.answer(infer, asked, "inferred", LIMIT_S, work="run", process="running process")
        except MeasurementFailed as failure:
            raise MeasurementFailed(failure.kind, f"{backend} in {precision}: {failure.text}") from None
        return np.load(folder / "output.npy")
