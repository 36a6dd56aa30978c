"""Large images in tiles that give the very pixels of the whole image, with memory bounded by the tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from nas_sr.callbacks import CountProgress
from nas_sr.families.base import Spec
from nas_sr.families.registry import family_of

TILE = 512  # LR pixels; images up to this size are computed whole


class Tile(NamedTuple):
    """LR rows and columns that a tile gives (`inner`) and those that are computed for it (`outer`)."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]


class Tiling(NamedTuple):
    """How an upscaler can be applied to parts of an image.

    Attributes:
        scale: HR pixels for each LR pixel.
        halo: LR pixels around a tile on which its output depends, in whole steps.
        step: tiles begin on multiples of this, because attention windows do.
        side: the largest tile, LR pixels a side, without its halo.
    """

    scale: int
    halo: int
    step: int = 1
    side: int = TILE

    def tiles(self, height: int, width: int) -> Iterator[Tile]:
        """The tiles of an image of that many LR pixels, row by row, about equal in size; one, if it is small enough."""
        for top, bottom in self._parts(height):
            for left, right in self._parts(width):
                rows = slice(max(top - self.halo, 0), min(bottom + self.halo, height))
                columns = slice(max(left - self.halo, 0), min(right + self.halo, width))
                yield Tile((slice(top, bottom), slice(left, right)), (rows, columns))

    def run(
        self,
        upscale: Callable[[np.ndarray], np.ndarray],
        image: np.ndarray,
        progress: CountProgress = lambda done, total: None,
    ) -> np.ndarray:
        """`upscale(image)` for (h, w, c), computed tile by tile: (scale * h, scale * w, c) of the image's type."""
        height, width, channels = image.shape
        tiles = list(self.tiles(height, width))
        output = np.empty((height * self.scale, width * self.scale, channels), image.dtype)
        for done, (inner, outer) in enumerate(tiles, start=1):
            part = upscale(image[outer])
            rows, columns = (
                slice((wanted.start - computed.start) * self.scale, (wanted.stop - computed.start) * self.scale)
                for wanted, computed in zip(inner, outer, strict=True)
            )
            output[self._enlarged(inner[0]), self._enlarged(inner[1])] = part[rows, columns]
            progress(done, len(tiles))
        return output

    def _parts(self, length: int) -> Iterator[tuple[int, int]]:
        largest = max(self.step, self.side // self.step * self.step)
        count = -(-length // largest)
        each = -(-length // (count * self.step)) * self.step
        for start in range(0, length, each):
            yield start, min(start + each, length)

    def _enlarged(self, part: slice) -> slice:
        return slice(part.start * self.scale, part.stop * self.scale)


def network_tiling(spec: Spec, side: int = TILE) -> Tiling:
    """How a network can be applied to parts: tiles and halos are whole steps, so that attention sees the windows of the
    whole image."""
    layers = family_of(spec).layers(spec)
    return Tiling(layers.scale, layers.reach, layers.step, side)
