"""OpenVINO: its IR, weights in fp32, for any height and width."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.export.formats.base import CannotWrite, Destination, Run, Source

FILE = "model.xml"  # its weights lie beside it, in model.bin


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    try:
        import openvino

        # By default OpenVINO writes weights in fp16.
        openvino.save_model(openvino.convert_model(str(source.dynamic)), folder / FILE, compress_to_fp16=False)
    except (ImportError, RuntimeError) as error:
        raise CannotWrite(f"OpenVINO cannot convert the network: {error}") from error


def runs(folder: Path) -> list[Run]:
    """See Destination."""
    return [Run(FILE, "openvino")]


def output(folder: Path, run: Run, image: np.ndarray) -> np.ndarray:
    """See Destination."""
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(folder / run.file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(image)[0])


DESTINATION = Destination("OpenVINO", write, runs, output, ("openvino",), RUNTIMES["openvino"].install)
