"""What image a network in ONNX takes: its layout, type and size, read from its input and never guessed."""

from __future__ import annotations

from typing import NamedTuple

import onnx
from onnx import TensorProto

from nas_sr.errors import UsageError
from nas_sr.image_format import LAYOUTS, Dtype, Layout

DTYPES: dict[int, Dtype] = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16", TensorProto.UINT8: "uint8"}
_CHANNELS = {"nchw": 1, "nhwc": 3}  # axis
_SIDES = {"nchw": (2, 3), "nhwc": (1, 2)}  # known_layout of height and width


class ImageInput(NamedTuple):
    """One RGB image, batch 1; a side that the file leaves open is None."""

    name: str
    layout: Layout
    dtype: Dtype
    height: int | None
    width: int | None

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        """The input's shape for an image of that size."""
        return (1, 3, height, width) if self.layout == "nchw" else (1, height, width, 3)


def image_input(model: onnx.ModelProto, where: str, layout: Layout | None = None) -> ImageInput:
    """The image that a model takes.

    Args:
        model: with one input that has no default.
        where: begins an error.
        layout: what the user says; needed where the shape leaves it open.

    Raises:
        UsageError: it takes something else than one image in RGB, or its layout cannot be told.
    """
    with_default = {tensor.name for tensor in model.graph.initializer}
    with_default |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    inputs = [value for value in model.graph.input if value.name not in with_default]
    if len(inputs) != 1:
        taken = ", ".join(_text(value) for value in inputs) or "nothing"
        raise UsageError(f"{where}: takes {taken}; a network with one image as its only input is needed")
    (value,) = inputs
    tensor = value.type.tensor_type
    if tensor.elem_type not in DTYPES:
        raise UsageError(f"{where}: takes {_text(value)}; allowed are {', '.join(DTYPES.values())}")
    sizes = _sizes(value)
    if sizes is None and layout:
        sizes = [None] * 4
    if sizes is None or len(sizes) != 4:
        raise UsageError(
            f"{where}: takes {_text(value)}; four dimensions are needed, (1, 3, height, width) or (1, height, width, 3)"
        )
    if sizes[0] not in (None, 1):
        raise UsageError(f"{where}: takes {_text(value)}: {sizes[0]} images at once; one at a time is measured here")
    known_layout = _layout(sizes, f"{where}: takes {_text(value)}", layout)
    height, width = (sizes[axis] for axis in _SIDES[known_layout])
    return ImageInput(value.name, known_layout, DTYPES[tensor.elem_type], height, width)


def give_size(model: onnx.ModelProto, image: ImageInput, size: tuple[int, int] | None) -> None:
    """Writes batch 1, three channels and the size (None: any) into a model's input; other shapes follow from it."""
    (value,) = (value for value in model.graph.input if value.name == image.name)
    shape = value.type.tensor_type.shape
    sides: tuple[int | str, int | str] = size or ("height", "width")
    wanted = onnx.TensorShapeProto()
    for axis in range(4):
        side = dict(zip(_SIDES[image.layout], sides, strict=True)).get(
            axis, 3 if axis == _CHANNELS[image.layout] else 1
        )
        wanted.dim.add(**{"dim_value" if isinstance(side, int) else "dim_param": side})
    if shape == wanted:
        return
    shape.CopyFrom(wanted)
    # What the file says of other shapes was true of the size it left open; every runtime works them out itself.
    for output in model.graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            dimension.Clear()
    for inner in model.graph.value_info:
        inner.type.tensor_type.ClearField("shape")


def _layout(sizes: list[int | None], taken: str, stated: Layout | None) -> Layout:
    fixed = {layout: sizes[axis] for layout, axis in _CHANNELS.items()}  # channels, were it this layout
    if stated:
        other = fixed["nhwc" if stated == "nchw" else "nchw"]
        if fixed[stated] not in (None, 3) or (fixed[stated] is None and other == 3):
            raise UsageError(f"{taken}, which is not {stated}: three channels are not on axis {_CHANNELS[stated]}")
        return stated
    found = [LAYOUTS[layout] for layout, channels in fixed.items() if channels == 3]
    if len(found) == 1:
        return found[0]
    if not found and 1 in fixed.values():
        raise UsageError(f"{taken}: grey images (one channel); networks for RGB are compared here")
    if not found and None not in fixed.values():
        raise UsageError(f"{taken}; an image has three channels, on axis 1 or 3")
    raise UsageError(
        f"{taken}; which axis has the three channels is not said: say --layout nchw, for (1, 3, height, width),"
        " or --layout nhwc, for (1, height, width, 3)"
    )


def _sizes(value: onnx.ValueInfoProto) -> list[int | None] | None:
    """An input's sizes; None for an open one, and instead of all of them where not even their number is known.

    A size is open if it has a name, or is not given, or is below 1.
    """
    if not value.type.tensor_type.HasField("shape"):
        return None
    return [each.dim_value if each.dim_value >= 1 else None for each in value.type.tensor_type.shape.dim]


def _text(value: onnx.ValueInfoProto) -> str:
    """`fp32 [1, 3, h, ?] 'input'`, as the file has it."""
    tensor = value.type.tensor_type
    if value.type.WhichOneof("value") != "tensor_type":
        return f"'{value.name}', which is no tensor"
    kind = DTYPES.get(tensor.elem_type, TensorProto.DataType.Name(tensor.elem_type).lower())
    if not tensor.HasField("shape"):
        return f"{kind} '{value.name}' of any shape"
    sizes = (each.dim_param or (each.dim_value if each.HasField("dim_value") else "?") for each in tensor.shape.dim)
    return f"{kind} [{', '.join(map(str, sizes))}] '{value.name}'"
