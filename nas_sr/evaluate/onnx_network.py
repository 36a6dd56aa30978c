"""Any network's ONNX file in ONNX Runtime as a function from image to image, by a convention for its values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch

from nas_sr.device_program.cores import physical_cores
from nas_sr.errors import UsageError
from nas_sr.evaluate.metrics import to_samples
from nas_sr.image_format import Layout
from nas_sr.onnx_file import read_onnx
from nas_sr.onnx_input import give_size, image_input

RANGES = (1, 255)
_DTYPES = {"fp32": np.float32, "fp16": np.float16, "uint8": np.uint8}
_PROBE = (16, 24)  # LR pixels; whole windows of most networks, and no side of it is three channels


class Convention(NamedTuple):
    """What a network's values mean: that of white on either side, and the order of the colours."""

    white_in: int = 1
    white_out: int = 1
    bgr: bool = False

    def __str__(self) -> str:
        whites = (self.white_in, self.white_out)
        values = f"0..{whites[0]}" if len(set(whites)) == 1 else f"0..{whites[0]} in and 0..{whites[1]} out"
        return f"{'BGR' if self.bgr else 'RGB'}, {values}"


class OnnxNetwork:
    """An ONNX file that takes an image of any height and width.

    Args:
        path: the file.
        layout: of its image, where the file does not say it.

    Raises:
        UsageError: missing, broken, of a fixed size, or no network from one image to one image.
    """

    def __init__(self, path: Path, layout: Layout | None = None) -> None:
        if not path.is_file():
            raise UsageError(f"{path}: no ONNX file there")
        self.path = path
        model, self.digest = read_onnx(path)
        self._image = image_input(model, str(path), layout)
        if self._image.height or self._image.width:
            sides = "x".join("any" if side is None else str(side) for side in (self._image.width, self._image.height))
            raise UsageError(
                f"{path}: takes images of {sides} pixels; a file for any height and width is needed, as a bundle's"
                " model.onnx"
            )
        give_size(model, self._image, None)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = physical_cores()
        options.enable_cpu_mem_arena = False  # it keeps the memory of every size of tile
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # each kind of broken file has an exception of its own, none in a public module
            raise UsageError(f"{path}: ONNX Runtime cannot load it: {_first_line(error)}") from None
        outputs = self._session.get_outputs()
        if len(outputs) != 1:
            raise UsageError(f"{path}: gives {len(outputs)} outputs; one image is needed")
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self._probed = self._probe()
        self._output_last = self._probed.shape[3] == 3

    @property
    def scale(self) -> int:
        """HR pixels for each LR pixel, as it was seen."""
        return self._probed.shape[1 if self._output_last else 2] // _PROBE[0]

    def conventions(self, value_range: int | None = None) -> list[Convention]:
        """What its values may mean, the likeliest first; whole numbers are 0 to 255 whatever else is so.

        Args:
            value_range: what the user says of the others.
        """
        ranges = RANGES if value_range is None else (value_range,)
        whole = self._image.dtype == "uint8", self._probed.dtype == np.uint8
        whites_in, whites_out = ((255,) if each else ranges for each in whole)
        conventions = [Convention(*each) for each in itertools.product(whites_in, whites_out, (False, True))]
        # A network that takes bytes most likely gives 0 to 255, too: the same on both sides comes first.
        return sorted(conventions, key=lambda each: (each.bgr, each.white_in != each.white_out))

    def enlarger(self, convention: Convention) -> Callable[[np.ndarray], np.ndarray]:
        """uint8 or uint16 (h, w, 3) -> the same type, enlarged.

        It raises a RuntimeError where ONNX Runtime fails, and an ArithmeticError where the output is not finite.
        """

        def enlarge(image: np.ndarray) -> np.ndarray:
            values = image[None].astype(np.float32) / np.iinfo(image.dtype).max * convention.white_in
            output = self._run(values[..., ::-1] if convention.bgr else values).astype(np.float32)
            if not self._output_last:
                output = output.transpose(0, 2, 3, 1)
            output = output[..., ::-1] if convention.bgr else output
            white = np.ascontiguousarray(output.transpose(0, 3, 1, 2)) / np.float32(convention.white_out)
            return to_samples(torch.from_numpy(white), image.dtype)

        return enlarge

    def _run(self, values: np.ndarray) -> np.ndarray:
        """The output for (1, h, w, 3) values."""
        dtype = _DTYPES[self._image.dtype]
        values = (np.rint(values) if dtype is np.uint8 else values).astype(dtype)
        if self._image.layout == "nchw":
            values = values.transpose(0, 3, 1, 2)
        try:
            (output,) = self._session.run(None, {self._image.name: np.ascontiguousarray(values)})
        except Exception as error:  # ONNX Runtime's own, of no common type
            raise RuntimeError(f"ONNX Runtime: {error}") from error
        return output

    def _probe(self) -> np.ndarray:
        height, width = _PROBE
        try:
            output = self._run(np.zeros((1, height, width, 3), np.float32))
        except RuntimeError as error:
            raise UsageError(f"{self.path}: cannot be run: {_first_line(error)}") from None
        shape = getattr(output, "shape", None)
        sizes = [(height * scale, width * scale) for scale in range(1, 17)]
        if shape not in [(1, 3, *size) for size in sizes] + [(1, *size, 3) for size in sizes]:
            raise UsageError(
                f"{self.path}: makes {list(shape or ())} of an image of {width}x{height} pixels;"
                " an RGB image a whole number of times as large is needed"
            )
        return output


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120]
