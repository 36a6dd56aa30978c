"""The layers of an engine as TensorRT made them: which nodes of the ONNX file became one kernel.

Each is {"name", "type", "tactic", "onnx": [nodes], "inputs": [...], "outputs": [...]}, tensors as "1x16x256x512 Half".
"""

from __future__ import annotations

import json
import re
from typing import Any

_ONNX_NODE = re.compile(r"\[ONNX Layer: ([^\]]*)\]")
_IN_LOG = re.compile(
    r"^Name: (?P<name>.*?), LayerType: (?P<type>.*?), Inputs: \[(?P<inputs>.*?)\], Constants: \[.*\],"
    r" Outputs: \[(?P<outputs>.*?)\], TacticName: (?P<tactic>.*?), StreamId: .*?Metadata: (?P<metadata>.*)$"
)
_TENSOR_IN_LOG = re.compile(r"Dimensions: \[([\d,]*)\].*?Datatype: (\w+)")


def from_inspector(trt: Any, engine: Any) -> list[dict[str, Any]]:
    """The layers of an engine that is loaded, by its inspector."""
    inspector = engine.create_engine_inspector()
    return from_json(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def from_json(text: str) -> list[dict[str, Any]]:
    """The layers in what the inspector writes; trtexec exports the same."""
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):  # seen malformed where a name holds quotation marks
        return []
    return [_of_inspector(layer) for layer in layers]


def from_log(text: str) -> list[dict[str, Any]]:
    """The layers that a verbose build told at its end: all there is without the GPU that the engine is for."""
    matches = (_IN_LOG.match(line) for line in text.splitlines())
    return [
        {
            "name": match["name"],
            "type": match["type"],
            "tactic": match["tactic"],
            "onnx": _ONNX_NODE.findall(match["metadata"]),
            "inputs": _tensors_in_log(match["inputs"]),
            "outputs": _tensors_in_log(match["outputs"]),
        }
        for match in matches
        if match
    ]


def _of_inspector(layer: Any) -> dict[str, Any]:
    if isinstance(layer, str):  # an engine that was built to keep names only
        layer = {"Name": layer}
    return {
        "name": layer.get("Name", ""),
        "type": layer.get("LayerType", ""),
        "tactic": layer.get("TacticName", ""),
        # 8.x has no metadata; its names list what was fused, joined by " + ".
        "onnx": _ONNX_NODE.findall(layer.get("Metadata", "")) or layer.get("Name", "").split(" + "),
        "inputs": [_tensor(each) for each in layer.get("Inputs", [])],
        "outputs": [_tensor(each) for each in layer.get("Outputs", [])],
    }


def _tensor(value: dict[str, Any]) -> str:
    kind = value.get("Format/Datatype") or value.get("Datatype", "")
    return "{} {}".format("x".join(str(size) for size in value.get("Dimensions", [])), kind)


def _tensors_in_log(text: str) -> list[str]:
    return ["{} {}".format(sizes.replace(",", "x"), kind) for sizes, kind in _TENSOR_IN_LOG.findall(text)]
