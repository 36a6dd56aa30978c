"""A model on disk -> the upscaler that it is, in the runtime that is wanted."""

from __future__ import annotations

from pathlib import Path

from nas_sr.errors import UsageError
from nas_sr.evaluate.onnx_upscaler import onnx_upscaler
from nas_sr.evaluate.tiles import TILE
from nas_sr.evaluate.upscalers import Upscaler, network_upscaler
from nas_sr.families.weights import load_network
from nas_sr.file_kind import file_kind
from nas_sr.image_format import Layout

RUNTIMES = ("torch", "onnxruntime")


def model_upscaler(
    path: Path,
    runtime: str = "torch",
    device: str = "cpu",
    tile: int = TILE,
    layout: Layout | None = None,
    value_range: int | None = None,
) -> Upscaler:
    """The upscaler in a bundle, a weights file or an ONNX file; of a bundle, `runtime` says which of its two.

    `layout` and `value_range` (the value of white) are for ONNX files; a bundle's own needs neither.

    Raises:
        UsageError: it cannot be loaded, or has no form for that runtime.
    """
    if path.suffix == ".onnx" or (path.is_file() and file_kind(path).kind == "onnx"):
        return _onnx_upscaler(path, tile, layout, value_range)
    if runtime == "onnxruntime":
        if not path.is_dir():
            raise UsageError(
                f"{path}: --runtime onnxruntime takes a bundle or an .onnx file; `nas-sr export` makes both"
            )
        return _onnx_upscaler(path / "model.onnx", tile)
    return network_upscaler(load_network(path), device, tile)


def _onnx_upscaler(path: Path, tile: int, layout: Layout | None = None, value_range: int | None = None) -> Upscaler:
    kind = file_kind(path) if path.is_file() else None
    if kind and kind.kind != "onnx":
        remedy = f"; {kind.remedy}" if kind.remedy else ""
        raise UsageError(f"{path}: {kind.text}, or an ONNX file that is broken; expected is an ONNX file{remedy}")
    return onnx_upscaler(path, tile, layout, value_range)
