"""Puts the names of points where they cover neither each other nor the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Sides of a marker in the order of preference, as (Plotly's name, horizontal, vertical). Nothing can lie above and
# left of a point on the front, so those come first.
SIDES = (
    ("top left", -1, 1),
    ("top center", 0, 1),
    ("middle left", -1, 0),
    ("bottom right", 1, -1),
    ("top right", 1, 1),
    ("middle right", 1, 0),
    ("bottom center", 0, -1),
    ("bottom left", -1, -1),
)
LETTER_PX = 7.0
LINE_PX = 16.0
GAP_PX = 9.0  # from the middle of a marker to its text


class Box(NamedTuple):
    """A rectangle in pixels, y upward."""

    left: float
    bottom: float
    right: float
    top: float

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def overlap(self, other: Box) -> float:
        """Common area [px^2]."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * height if width > 0 and height > 0 else 0.0


def label_box(x: float, y: float, text: str, side: str) -> Box:
    """Where a text beside the marker at (x, y) [px] comes to lie."""
    horizontal, vertical = next((h, v) for name, h, v in SIDES if name == side)
    width = LETTER_PX * len(text)
    left = x - width / 2 + horizontal * (width / 2 + GAP_PX)
    bottom = y - LINE_PX / 2 + vertical * (LINE_PX / 2 + GAP_PX)
    return Box(left, bottom, left + width, bottom + LINE_PX)


def along(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """Points on a line [px], close enough together that no letter fits between two of them."""
    parts = max(1, round(math.dist(start, end) / LETTER_PX))
    return [
        (start[0] + (end[0] - start[0]) * part / parts, start[1] + (end[1] - start[1]) * part / parts)
        for part in range(parts + 1)
    ]


def place(
    anchors: Sequence[tuple[float, float]],
    texts: Sequence[str],
    obstacles: Sequence[tuple[float, float]],
    size: tuple[float, float],
) -> list[str]:
    """A side for each text, one of `SIDES`; all positions in pixels from the lower left corner of a plot of `size`."""
    placed: list[Box] = []
    sides = []
    for (x, y), text in zip(anchors, texts, strict=True):

        def cost(side: str, x: float = x, y: float = y, text: str = text) -> float:
            box = label_box(x, y, text, side)
            out = max(0.0, -box.left, box.right - size[0]) + max(0.0, -box.bottom, box.top - size[1])
            hidden = sum(box.holds(*obstacle) for obstacle in obstacles)
            return 50 * out + sum(box.overlap(other) for other in placed) + 30 * hidden

        best = min((name for name, _, _ in SIDES), key=cost)
        placed.append(label_box(x, y, text, best))
        sides.append(best)
    return sides
