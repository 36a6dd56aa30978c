"""Bicubic resizing as MATLAB's `imresize` does it: the degradation that super-resolution benchmarks are made with.

a = -0.5, antialiased when shrinking (the kernel is stretched by the scale), rows first, rounded to 8 bits after each
of the two passes, pixels beyond the border repeated from the edge. Bit-exact with the published LR images.
"""

from __future__ import annotations

import math

import numpy as np


def crop_to_multiple(image: np.ndarray, scale: int) -> np.ndarray:
    """The view of (h, w, ...) without the rows and columns at the end that a division by `scale` leaves over."""
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


def downscale(image: np.ndarray, scale: int) -> np.ndarray:
    """Shrinks uint8 (h, w, 3) to (h // scale, w // scale, 3) after cropping it to a multiple of `scale`.

    Raises:
        ValueError: the image has fewer than `scale` pixels a side.
    """
    image = crop_to_multiple(image, scale)
    if 0 in image.shape:
        raise ValueError(f"at least {scale}x{scale} pixels must be there to shrink by {scale}")
    first, taps = _taps((scale - 1) / 2, stretch=scale)
    shrunk = _rows(image, scale, [(first, taps)], image.shape[0] // scale)
    return _turned(_rows(_turned(shrunk), scale, [(first, taps)], image.shape[1] // scale))


def upscale(image: np.ndarray, scale: int) -> np.ndarray:
    """Enlarges uint8 or uint16 (h, w, c) to (h * scale, w * scale, c), rounded to the same type after each pass."""
    phases = [_taps((phase + 0.5) / scale - 0.5, stretch=1) for phase in range(scale)]
    enlarged = _rows(image, 1, phases, image.shape[0])
    return _turned(_rows(_turned(enlarged), 1, phases, image.shape[1]))


def _rows(image: np.ndarray, step: int, phases: list[tuple[int, np.ndarray]], count: int) -> np.ndarray:
    """Filters along the rows: output row `i * len(phases) + phase` reads input rows from `i * step + first` on."""
    before = max(-first for first, _ in phases)
    after = max(first + len(taps) for first, taps in phases) - step
    padded = np.pad(image, ((before, max(after, 0)), (0, 0), (0, 0)), mode="edge").astype(np.float64)
    result = np.empty((count, len(phases), *image.shape[1:]), image.dtype)
    highest = np.iinfo(image.dtype).max
    for phase, (first, taps) in enumerate(phases):
        total = np.zeros((count, *image.shape[1:]))
        for offset, tap in enumerate(taps, start=before + first):
            total += tap * padded[offset : offset + step * (count - 1) + 1 : step]
        result[:, phase] = np.clip(np.floor(total + 0.5), 0, highest)  # MATLAB rounds halves up
    return result.reshape(count * len(phases), *image.shape[1:])


def _taps(centre: float, stretch: int) -> tuple[int, np.ndarray]:
    """The first input index and the weights, summing to one, of an output pixel at input coordinate `centre`."""
    first = math.floor(centre - 2 * stretch) + 1
    last = math.ceil(centre + 2 * stretch) - 1
    weights = _cubic(np.abs(np.arange(first, last + 1) - centre) / stretch)
    return first, weights / weights.sum()


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic kernel with a = -0.5 at distances of 0 to 2."""
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    return np.where(distance <= 1, near, far)


def _turned(image: np.ndarray) -> np.ndarray:
    """Rows and columns exchanged, contiguous, so that both passes read memory in order."""
    return np.ascontiguousarray(image.transpose(1, 0, 2))
