"""The image that a network is timed on, and what is told of its output."""

from __future__ import annotations

from typing import Any, Sequence

import numpy


def random_image(shape: Sequence[int], kind: Any) -> Any:
    """A fixed random image: 0 to 1, of whole numbers 0 to 255."""
    image = numpy.random.RandomState(0).rand(*shape)
    return (image * 255 if numpy.dtype(kind) == numpy.uint8 else image).astype(kind)


def finiteness(*outputs: Any) -> str:
    """`finite` or `not finite`: a network that overflows in a reduced precision is timed, but of no use."""
    return "finite" if all(bool(numpy.isfinite(output).all()) for output in outputs) else "not finite"
