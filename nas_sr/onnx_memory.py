"""How much memory a network needs, exactly, from the ONNX graph that is deployed: its activations and its weights.

Activations are counted at their peak over the graph's own order of execution: each tensor has memory of its own from
the node that makes it to the last one that reads it. A runtime that fuses nodes or writes a result over its input needs
less; one that copies for another layout needs more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import onnx

from nas_sr.errors import WorkError

_FLOAT_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


class Graph(NamedTuple):
    """A network as it is deployed on a target."""

    model: onnx.ModelProto  # of fixed size
    float_bytes: int  # of an element where the target computes: 4 in fp32, 2 in fp16


def peak_activation_bytes(graph: Graph) -> int:
    """Bytes of all tensors that are alive at once, at most; the image and the output are fp32 whatever is computed in.

    Raises:
        WorkError: a tensor's shape does not follow from the file.
    """
    inferred = onnx.shape_inference.infer_shapes(graph.model, strict_mode=True, data_prop=True).graph
    weights = {tensor.name for tensor in inferred.initializer}
    inputs = {value.name for value in inferred.input} - weights
    outputs = {value.name for value in inferred.output}
    types = {value.name: value.type.tensor_type for value in (*inferred.input, *inferred.output, *inferred.value_info)}
    # A constant is no activation, however the exporter wrote it.
    nodes = [node for node in inferred.node if node.op_type != "Constant"]
    last_read = {name: place for place, node in enumerate(nodes) for name in node.input}
    last_read |= dict.fromkeys(outputs, len(nodes))
    constants = weights | {name for node in inferred.node if node.op_type == "Constant" for name in node.output}

    def size(name: str) -> int:
        return _bytes(name, types.get(name), 4 if name in inputs | outputs else graph.float_bytes)

    alive = {name: size(name) for name in inputs}
    peak = sum(alive.values())
    for place, node in enumerate(nodes):
        alive |= {name: size(name) for name in node.output if name}
        peak = max(peak, sum(alive.values()))
        alive = {name: held for name, held in alive.items() if last_read.get(name, place) > place}
    assert not constants & alive.keys()
    return peak


def weight_bytes(graph: Graph) -> int:
    """Bytes of everything that the file holds: weights, biases and constants."""
    held = list(graph.model.graph.initializer)
    held += [
        attribute.t
        for node in graph.model.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    return sum(math.prod(tensor.dims) * _element_bytes(tensor.data_type, graph.float_bytes) for tensor in held)


def _bytes(name: str, kind: onnx.TypeProto.Tensor | None, float_bytes: int) -> int:
    if kind is None or not kind.HasField("shape"):
        raise WorkError(f"the memory of tensor '{name}' cannot be told: the ONNX file does not say its shape")
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    if None in dims:
        raise WorkError(f"the memory of tensor '{name}' cannot be told: the ONNX file leaves its size open")
    return math.prod(dim for dim in dims if dim is not None) * _element_bytes(kind.elem_type, float_bytes)


def _element_bytes(kind: int, float_bytes: int) -> int:
    return float_bytes if kind in _FLOAT_TYPES else int(onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize)
