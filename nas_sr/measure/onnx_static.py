"""Any ONNX file of an image network -> the file that is timed: one size, batch 1, all weights inside.

Candidates are timed as files of one size, so a file that leaves its size open is given one first: on every runtime, and
on this machine, where the onnx package is.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from nas_sr.errors import UsageError
from nas_sr.files import replacing
from nas_sr.image_format import Layout
from nas_sr.onnx_file import read_onnx
from nas_sr.onnx_input import ImageInput, give_size, image_input


def write_static(source: Path, target: Path, lr_size: tuple[int, int], layout: Layout | None = None) -> ImageInput:
    """Writes the file that is timed at an LR size (height, width).

    Returns:
        The image that it takes, of that size.

    Raises:
        UsageError: see read_onnx and image_input; or it fixes another size.
    """
    model = read_onnx(source).model
    image = image_input(model, str(source), layout)
    height, width = lr_size
    if image.height not in (None, height) or image.width not in (None, width):
        own = f"{_side(image.width)}x{_side(image.height)}"
        raise UsageError(f"{source}: takes images of {own} pixels, but {width}x{height} is measured")
    give_size(model, image, lr_size)
    with replacing(target) as temporary:
        onnx.save(model, temporary)
    return image._replace(height=height, width=width)


def _side(size: int | None) -> str:
    return "any" if size is None else str(size)
