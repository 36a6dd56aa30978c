"""What tools that load any ONNX file ask of one, checked on the file itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

_SIZE = (40, 72)  # LR height and width that the output's size must follow from


def violations(path: Path, scale: int) -> Iterator[str]:
    """How a file breaks the conventions of vs-mlrt, which are chaiNNer's and some more; nothing where it does not.

    vs-mlrt sets the size that it runs, infers the others from it, and takes one fp32 image (1, 3, h, w) named `input`
    and one output.
    """
    model = onnx.load(path)
    graph = model.graph
    if len(graph.input) != 1 or len(graph.output) != 1:
        yield f"it must have one input and one output, but has {len(graph.input)} and {len(graph.output)}"
        return
    image, output = graph.input[0], graph.output[0]
    if image.name != "input":
        yield f"its input must be called input, but is called {image.name}"
    for value in (image, output):
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            yield f"{value.name} must be fp32"
        dims = value.type.tensor_type.shape.dim
        if [dim.dim_value for dim in dims[:2]] != [1, 3] or len(dims) != 4:
            yield f"{value.name} must be of shape (1, 3, height, width)"
            return
        if any(dim.HasField("dim_value") for dim in dims[2:]):
            yield f"{value.name} must have any height and width"
    for dim, size in zip(image.type.tensor_type.shape.dim[2:], _SIZE, strict=True):
        dim.dim_value = size
    for dim in output.type.tensor_type.shape.dim[2:]:
        dim.Clear()
    del graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[2:]
    if [dim.dim_value for dim in inferred] != [scale * size for size in _SIZE]:
        yield "the size of its output does not follow from that of its input"
