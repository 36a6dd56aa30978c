"""An ONNX file as an upscaler, in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from nas_sr.arch.spec import ArchSpec
from nas_sr.errors import UsageError
from nas_sr.evaluate.metrics import to_samples
from nas_sr.evaluate.tiles import TILE, Tiling, network_tiling
from nas_sr.evaluate.upscalers import Upscaler, to_batch
from nas_sr.target.cores import physical_cores

SPEC_KEY = "nas_sr_spec"  # in the metadata of an ONNX file
_WHOLE = 1 << 30  # LR pixels a side


def onnx_upscaler(path: Path, tile: int = TILE) -> Upscaler:
    """An ONNX file of ours, with any height and width, in ONNX Runtime on the CPU.

    Raises:
        UsageError: missing, broken, of a fixed size, or without a spec (in the file or in spec.json beside it).
    """
    enlarge = _enlarger(path)
    spec = _spec_of(path, enlarge.metadata)
    enlarge.check(spec.scale, "as its spec says; spec.json may be another's")
    return Upscaler(network_tiling(spec, tile), enlarge)


def whole_image_upscaler(path: Path, scale: int) -> Upscaler:
    """Any network's ONNX file with any height and width, on whole images: how far its pixels reach is not known.

    Raises:
        UsageError: missing, broken, of a fixed size, or of another factor.
    """
    enlarge = _enlarger(path)
    enlarge.check(scale, "as is compared here")
    return Upscaler(Tiling(scale, halo=0, side=_WHOLE), enlarge)


class _Enlarger:
    """An ONNX file in ONNX Runtime as a function from image to image."""

    def __init__(self, path: Path, session: onnxruntime.InferenceSession) -> None:
        self._path, self._session = path, session
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map

    def __call__(self, image: np.ndarray) -> np.ndarray:
        feed = {self._session.get_inputs()[0].name: to_batch(image).contiguous().numpy()}
        try:
            (output,) = self._session.run(None, feed)
        except Exception as error:  # ONNX Runtime's own, of no common type
            raise RuntimeError(f"ONNX Runtime: {error}") from error
        return to_samples(torch.from_numpy(output), image.dtype)

    def check(self, scale: int, why: str) -> None:
        """Raises a UsageError unless it enlarges by `scale`."""
        try:
            enlarged = self(np.zeros((8, 8, 3), np.uint8)).shape
        except (RuntimeError, ArithmeticError) as error:
            raise UsageError(f"{self._path}: cannot be run: {str(error).splitlines()[0][:120]}") from None
        if enlarged != (8 * scale, 8 * scale, 3):
            raise UsageError(f"{self._path}: does not enlarge by {scale}, {why}")


def _enlarger(path: Path) -> _Enlarger:
    if not path.is_file():
        raise UsageError(f"{path}: no ONNX file there")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = physical_cores()
    options.enable_cpu_mem_arena = False  # it keeps the memory of every size of tile
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each kind of broken file has an exception of its own, none in a public module
        raise UsageError(f"{path}: not a readable ONNX file: {str(error).splitlines()[0][:120]}") from None
    found = [(one.type, one.shape) for one in session.get_inputs()]
    if len(found) != 1 or found[0][0] != "tensor(float)" or not _any_size(found[0][1]):
        taken = " and ".join(f"{kind} {shape}" for kind, shape in found) or "nothing"
        raise UsageError(
            f"{path}: takes {taken}; expected is tensor(float) [1, 3, height, width] with any height and width, as in"
            " a bundle's model.onnx"
        )
    return _Enlarger(path, session)


def _any_size(shape: list[int | str | None]) -> bool:
    return len(shape) == 4 and shape[:2] == [1, 3] and not any(isinstance(side, int) for side in shape[2:])


def _spec_of(path: Path, metadata: dict[str, str]) -> ArchSpec:
    if SPEC_KEY in metadata:
        try:
            value = json.loads(metadata[SPEC_KEY])
        except ValueError as error:
            raise UsageError(f"{path}: the spec in its metadata is broken: {error}") from None
        return ArchSpec.from_json(value, str(path))
    beside = path.with_name("spec.json")
    if beside.is_file():
        return ArchSpec.read(beside)
    raise UsageError(
        f"{path}: no spec in its metadata and no spec.json beside it; how far a pixel reaches is not known"
    )
