"""Whether an LR image is a downscale of its HR image.

Two questions. Is it of this picture at all? Means over blocks are what every way of shrinking preserves, so they tell a
swapped or turned file from one that another program made. And is it MATLAB's bicubic downscale, which benchmarks and
published LR images are? That is a PSNR.

On 188 photographs (x4, 80x80 LR pixels) block means explained at least 0.95 of the variance for area, 0.95 for cv2's
bicubic, 0.91 for nearest-neighbour downscales and for those shifted by a pixel, and at most 0.79 for any two different
photographs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from nas_sr.data.resize import downscale

LEAST_EXPLAINED = 0.85
LEAST_BICUBIC_DB = 45.0  # rounding once instead of after each pass gives over 50 dB; another kernel under 45
_BLOCK = 8  # LR pixels
_LEAST_VARIANCE = 25.0  # 5 levels: in a flat image rounding and compression are all the variance there is
_WINDOW = 64  # LR pixels a side in which the bicubic downscale is made
_MARGIN = 2  # LR pixels that the stretched kernel reaches


class Match(NamedTuple):
    """How an LR image agrees with its HR image."""

    explained: float  # share of the variance of HR's block means that LR's explain; 1 is all, unrelated is under 0
    bicubic_db: float  # PSNR against the bicubic downscale of the middle, infinite if equal

    @property
    def same_picture(self) -> bool:
        """Whether the two show the same."""
        return self.explained >= LEAST_EXPLAINED

    @property
    def is_bicubic(self) -> bool:
        """Whether LR was made by MATLAB's bicubic, or so that nobody could tell."""
        return self.bicubic_db >= LEAST_BICUBIC_DB


def match(lr: np.ndarray, hr: np.ndarray, scale: int) -> Match:
    """Compares uint8 LR (h, w, 3) with HR (scale * h, scale * w, 3)."""
    return Match(_explained(lr, hr, scale), _bicubic_db(lr, hr, scale))


def _explained(lr: np.ndarray, hr: np.ndarray, scale: int) -> float:
    block = min(_BLOCK, *lr.shape[:2])
    rows, columns = lr.shape[0] // block, lr.shape[1] // block
    small = _block_means(lr[: rows * block, : columns * block], rows, columns)
    large = _block_means(hr[: rows * block * scale, : columns * block * scale], rows, columns)
    variance = float(np.mean((large - large.mean(axis=(0, 1))) ** 2))
    return 1 - float(np.mean((small - large) ** 2)) / max(variance, _LEAST_VARIANCE)


def _block_means(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float64)


def _bicubic_db(lr: np.ndarray, hr: np.ndarray, scale: int) -> float:
    """In a window, because shrinking a whole 2K image takes longer than reading it."""
    rows, columns = (slice(max(0, (side - _WINDOW) // 2), (side + _WINDOW) // 2) for side in lr.shape[:2])
    window = downscale(hr[_scaled(rows, scale), _scaled(columns, scale)], scale)
    inner = tuple(slice(_MARGIN, side - _MARGIN) if side > 4 * _MARGIN else slice(None) for side in window.shape[:2])
    error = float(np.mean((lr[rows, columns][inner].astype(np.float64) - window[inner]) ** 2))
    return 10 * float(np.log10(255**2 / error)) if error else float("inf")


def _scaled(part: slice, scale: int) -> slice:
    return slice(part.start * scale, part.stop * scale)


def other_downscales(bicubic_db: Mapping[str, float]) -> list[str]:
    """One line if LR images, by name, are downscales of another kind than bicubic; else none."""
    other = {name: found for name, found in bicubic_db.items() if found < LEAST_BICUBIC_DB}
    if not other:
        return []
    name = min(other, key=lambda name: other[name])
    return [
        f"{len(other)} LR images are not MATLAB's bicubic downscale of their HR: {name} is the farthest from it"
        f" ({other[name]:.1f} dB); used as they are"
    ]
