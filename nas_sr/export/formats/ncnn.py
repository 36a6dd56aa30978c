"""ncnn: layers and weights as pnnx writes them, in fp32. Networks without attention take any height and width."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.export.formats.base import CannotWrite, Destination, Run, Source, infer_by_backend

PARAM, WEIGHTS = "model.param", "model.bin"


def write(source: Source, folder: Path) -> None:
    """See Destination."""
    height, width = source.target.lr_size
    try:
        from nas_sr.device_program.backends import ncnn

        with tempfile.TemporaryDirectory(prefix="nas-sr-ncnn-") as name:
            engine = Path(name) / "engine"
            ncnn.build(OnnxFiles(source.static(), None), engine, Settings(height, width))
            with zipfile.ZipFile(engine) as archive:
                (folder / PARAM).write_bytes(archive.read(ncnn.PARAM))
                (folder / WEIGHTS).write_bytes(archive.read(ncnn.WEIGHTS))
    except (ImportError, Failure) as error:
        raise CannotWrite(str(error)) from error


def runs(folder: Path) -> list[Run]:
    """See Destination."""
    return [Run(PARAM, "ncnn")]


def output(folder: Path, run: Run, image: np.ndarray) -> np.ndarray:
    """See Destination."""
    from nas_sr.device_program.backends import ncnn

    with tempfile.TemporaryDirectory(prefix="nas-sr-ncnn-") as name:
        engine = Path(name) / "engine"
        with zipfile.ZipFile(engine, "w") as archive:
            archive.write(folder / PARAM, ncnn.PARAM)
            archive.write(folder / WEIGHTS, ncnn.WEIGHTS)
            archive.writestr(ncnn.SHAPE, " ".join(map(str, image.shape)))
        return infer_by_backend("ncnn", engine, image)


DESTINATION = Destination("ncnn", write, runs, output, ("ncnn", "pnnx"), RUNTIMES["ncnn"].install)
