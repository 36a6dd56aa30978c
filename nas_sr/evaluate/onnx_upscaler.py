"""An ONNX file as an upscaler, in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import onnx

from nas_sr.errors import UsageError
from nas_sr.evaluate.onnx_network import Convention, OnnxNetwork
from nas_sr.evaluate.tiles import TILE, Tiling, network_tiling
from nas_sr.evaluate.upscalers import Upscaler
from nas_sr.families.base import Spec
from nas_sr.families.registry import parse_spec, read_spec
from nas_sr.files import replacing
from nas_sr.image_format import Layout

SPEC_KEY = "nas_sr_spec"  # in the metadata of an ONNX file
_WHOLE = 1 << 30  # LR pixels a side


def onnx_upscaler(
    path: Path, tile: int = TILE, layout: Layout | None = None, value_range: int | None = None
) -> Upscaler:
    """An ONNX file of ours, with any height and width, in ONNX Runtime on the CPU.

    Raises:
        UsageError: missing, broken, of a fixed size, or without a spec (in the file or in spec.json beside it).
    """
    network = OnnxNetwork(path, layout)
    spec = _spec_of(path, network.metadata)
    check_scale(network, spec.scale, "as its spec says; spec.json may be another's")
    return Upscaler(network_tiling(spec, tile), network.enlarger(network.conventions(value_range)[0]))


def name_architecture(path: Path, spec: Spec) -> None:
    """Puts the spec into an ONNX file: what cuts images into tiles must know how far a pixel reaches."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {SPEC_KEY: json.dumps(spec.to_json())})
    with replacing(path) as temporary:
        onnx.save(model, temporary)


def whole_image_upscaler(network: OnnxNetwork, convention: Convention) -> Upscaler:
    """Any network, on whole images: how far its pixels reach is not known."""
    return Upscaler(Tiling(network.scale, halo=0, side=_WHOLE), network.enlarger(convention))


def check_scale(network: OnnxNetwork, scale: int, why: str) -> None:
    """Raises a UsageError unless a network enlarges by `scale`."""
    if network.scale != scale:
        raise UsageError(f"{network.path}: does not enlarge by {scale} but by {network.scale}, {why}")


def _spec_of(path: Path, metadata: dict[str, str]) -> Spec:
    if SPEC_KEY in metadata:
        try:
            value = json.loads(metadata[SPEC_KEY])
        except ValueError as error:
            raise UsageError(f"{path}: the spec in its metadata is broken: {error}") from None
        return parse_spec(value, str(path))
    beside = path.with_name("spec.json")
    if beside.is_file():
        return read_spec(beside)
    raise UsageError(
        f"{path}: no spec in its metadata and no spec.json beside it; how far a pixel reaches is not known"
    )
