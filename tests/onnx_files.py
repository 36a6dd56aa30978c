"""Small image networks in ONNX as other people's exporters leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, BYTES = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
Shape = Sequence[int | str | None]
OPEN: Shape = (1, 3, "h", "w")
OPEN_LAST: Shape = (1, "h", "w", 3)


def enlarger(
    shape: Shape = OPEN,
    kind: int = FLOAT,
    output: int | None = None,
    *,
    last: bool = False,
    white_in: float = 1,
    white_out: float = 1,
    ceiling: Sequence[float] = (1, 1, 1),
    scale: int = 4,
) -> onnx.ModelProto:
    """Repeats every pixel `scale` times a side: a network whose output can be told beforehand.

    Values are read and written by its own convention, clipped to it and, in 0 to 255, rounded; none of a channel is
    more than its ceiling.
    """
    output = output or kind
    constants = {
        "white_in": np.float32(white_in),
        "white_out": np.float32(white_out),
        "low": np.float32(0),
        "high": np.float32(1),
        "ceiling": np.array(ceiling, np.float32)[:, None, None],
        "weights": np.eye(3, dtype=np.float32)[:, :, None, None],
        "scales": np.array([1, 1, scale, scale], np.float32),
    }
    nodes = [("Cast", ["image"], "real", {"to": FLOAT}), ("Div", ["real", "white_in"], "unit", {})]
    first = "unit"
    if last:
        nodes.append(("Transpose", [first], "first", {"perm": [0, 3, 1, 2]}))
        first = "first"
    nodes += [
        ("Conv", [first, "weights"], "mixed", {}),
        ("Min", ["mixed", "ceiling"], "lowered", {}),
        ("Clip", ["lowered", "low", "high"], "clipped", {}),
        ("Resize", ["clipped", "", "scales"], "large", {"mode": "nearest"}),
        ("Mul", ["large", "white_out"], "values", {}),
    ]
    end = "values"
    if last:
        nodes.append(("Transpose", [end], "back", {"perm": [0, 2, 3, 1]}))
        end = "back"
    if white_out != 1:  # without which a linear network would do as well by any convention
        nodes.append(("Round", [end], "rounded", {}))
        end = "rounded"
    nodes.append(("Cast", [end], "large image", {"to": output}))
    rest = ["b", "H", "W", 3] if last else ["b", 3, "H", "W"]
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, [name], **attributes) for kind, inputs, name, attributes in nodes],
        "enlarger",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("large image", output, rest)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(model: onnx.ModelProto, path: Path, *, beside: bool = False) -> Path:
    """The model as a file, with its weights in `PATH.data` if they are to lie beside it."""
    if beside:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    else:
        onnx.save(model, path)
    return path
