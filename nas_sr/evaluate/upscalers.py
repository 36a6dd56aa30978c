"""What turns an image into a larger one: a network in PyTorch, or an ONNX file of ours in ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from nas_sr.arch.network import Network
from nas_sr.arch.spec import ArchSpec
from nas_sr.arch.weights import load_network
from nas_sr.errors import UsageError
from nas_sr.evaluate.metrics import to_samples
from nas_sr.evaluate.tiles import TILE, Progress, Tiling, network_tiling

RUNTIMES = ("torch", "onnxruntime")
SPEC_KEY = "nas_sr_spec"  # in the metadata of an ONNX file
_GREY = np.array([0.299, 0.587, 0.114])  # BT.601


class CannotUpscale(Exception):
    """An image could not be upscaled; the text is one line saying why."""


@dataclass(frozen=True)
class Upscaler:
    """Enlarges images by a whole factor, in tiles where they are large.

    Attributes:
        tiling: how it can be applied to parts, and its factor.
        enlarge: uint8 or uint16 (h, w, 3) -> the same type, (scale * h, scale * w, 3).
    """

    tiling: Tiling
    enlarge: Callable[[np.ndarray], np.ndarray]

    @property
    def scale(self) -> int:
        """HR pixels for each LR pixel."""
        return self.tiling.scale

    def __call__(self, image: np.ndarray, progress: Progress = lambda done, total: None) -> np.ndarray:
        """uint8 or uint16, (h, w, 3) RGB or (h, w, 1) grey -> the same, `scale` times as large.

        Raises:
            CannotUpscale: not enough memory, the runtime failed, or the output is not finite.
        """
        enlarge = self.enlarge if image.shape[2] == 3 else self._enlarge_grey
        try:
            return self.tiling.run(enlarge, image, progress)
        except (MemoryError, RuntimeError, ArithmeticError) as error:
            text = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise CannotUpscale(f"could not be upscaled: {text}") from error

    def _enlarge_grey(self, image: np.ndarray) -> np.ndarray:
        large = self.enlarge(np.repeat(image, 3, axis=2))
        return np.rint(large @ _GREY).astype(image.dtype)[:, :, None]


def network_upscaler(network: Network, device: str = "cpu", tile: int = TILE) -> Upscaler:
    """A network in PyTorch, in fp32 (no TF32), in tiles of about `tile` LR pixels a side.

    Raises:
        UsageError: no such device.
    """
    try:
        network = network.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{device}' cannot be used: {str(error).splitlines()[0][:120]}") from None

    @torch.inference_mode()
    def enlarge(image: np.ndarray) -> np.ndarray:
        with torch.backends.cudnn.flags(allow_tf32=False):
            return to_samples(network(to_batch(image).to(device)), image.dtype)

    return Upscaler(network_tiling(network.spec, tile), enlarge)


def onnx_upscaler(path: Path, tile: int = TILE) -> Upscaler:
    """An ONNX file of ours, with any height and width, in ONNX Runtime on the CPU.

    Raises:
        UsageError: missing, broken, of a fixed size, or without a spec (in the file or in spec.json beside it).
    """
    if not path.is_file():
        raise UsageError(f"{path}: no ONNX file there")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.enable_cpu_mem_arena = False  # it keeps the memory of every size of tile
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each kind of broken file has an exception of its own, none in a public module
        raise UsageError(f"{path}: not a readable ONNX file: {str(error).splitlines()[0][:120]}") from None
    inputs = session.get_inputs()
    sizes = inputs[0].shape[2:] if len(inputs) == 1 and len(inputs[0].shape) == 4 else []
    if inputs[0].type != "tensor(float)" or len(sizes) != 2 or any(isinstance(size, int) for size in sizes):
        raise UsageError(
            f"{path}: takes {inputs[0].type} {inputs[0].shape}; float32 (1, 3, height, width) with any height and"
            " width is expected, as in a bundle's model.onnx"
        )
    spec = _spec_of(path, session.get_modelmeta().custom_metadata_map)

    def enlarge(image: np.ndarray) -> np.ndarray:
        try:
            (output,) = session.run(None, {inputs[0].name: to_batch(image).contiguous().numpy()})
        except Exception as error:  # ONNX Runtime's own, of no common type
            raise RuntimeError(f"ONNX Runtime: {error}") from error
        return to_samples(torch.from_numpy(output), image.dtype)

    upscaler = Upscaler(network_tiling(spec, tile), enlarge)
    if enlarge(np.zeros((8, 8, 3), np.uint8)).shape != (8 * spec.scale, 8 * spec.scale, 3):
        raise UsageError(f"{path}: does not enlarge by {spec.scale}, as its spec says; spec.json may be another's")
    return upscaler


def model_upscaler(path: Path, runtime: str = "torch", device: str = "cpu", tile: int = TILE) -> Upscaler:
    """The upscaler in a bundle, a weights file or an ONNX file; of a bundle, `runtime` says which of its two.

    Raises:
        UsageError: it cannot be loaded, or has no form for that runtime.
    """
    if path.suffix == ".onnx":
        return onnx_upscaler(path, tile)
    if runtime == "onnxruntime":
        if not path.is_dir():
            raise UsageError(f"{path}: --runtime onnxruntime takes a bundle or an .onnx file; `nas-sr export` makes both")
        return onnx_upscaler(path / "model.onnx", tile)
    return network_upscaler(load_network(path), device, tile)


def to_batch(image: np.ndarray) -> Tensor:
    """uint8 or uint16 (h, w, 3) -> float32 (1, 3, h, w) in [0, 1], channels last in memory."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].div_(np.iinfo(image.dtype).max)


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
    raise UsageError(f"{path}: no spec in its metadata and no spec.json beside it; how far a pixel reaches is not known")
