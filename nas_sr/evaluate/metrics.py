"""PSNR and SSIM by the field's protocol, on 8-bit images.

Large images are worked through in strips of rows, because float64 is eight times their size and more.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

_STRIP = 256  # rows
_REACH = 5  # pixels of SSIM's window on either side of its centre


def to_samples(output: Tensor, kind: np.dtype) -> np.ndarray:
    """A network's (1, 3, h, w) output in [0, 1] as uint8 or uint16 (h, w, 3): clamped and rounded, never truncated.

    Raises:
        ArithmeticError: a value is not finite; rounding would hide it.
    """
    image = output[0].detach().float()
    if not torch.isfinite(image).all():
        raise ArithmeticError("the network's output is not finite")
    # torch has little for uint16, and int32 holds both.
    image = image.clamp(0, 1).mul(np.iinfo(kind).max).round().to(torch.int32)
    return np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy().astype(kind))


def luma(image: np.ndarray, rounded: bool = False) -> np.ndarray:
    """Y of BT.601 studio range, (h, w, 3) uint8 -> (h, w) float64 in 16..235; `rounded` as MATLAB's rgb2ycbcr."""
    y = np.empty(image.shape[:2])
    for start in range(0, len(image), _STRIP):
        rows = slice(start, start + _STRIP)
        y[rows] = 16 + image[rows].astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
        if rounded:
            y[rows] = np.floor(y[rows] + 0.5)
    return y


def psnr_db(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """Peak signal-to-noise ratio [dB] at peak 255 over all pixels inside the border; infinite for equal images."""
    total, count = 0.0, 0
    for a, b in _strips(first, second, border):
        total += float(np.sum((a - b) ** 2))
        count += a.size
    error = total / count
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """Structural similarity of two single-channel images inside the border (Wang et al. 2004).

    Gaussian of 11x11, sigma 1.5, valid region only; K = 0.01 and 0.03 at peak 255.
    """
    total, count = 0.0, 0
    for a, b in _strips(first, second, border, _REACH):
        similarity = _similarity(a, b)
        total += float(np.sum(similarity))
        count += similarity.size
    return total / count


def _similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """SSIM around every pixel whose window is whole, (h, w) -> (h - 10, w - 10)."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a = _blurred(a * a) - mean_a**2
    var_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    return ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))


def _strips(
    first: np.ndarray, second: np.ndarray, border: int, reach: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What lies inside the border as float64, in strips that share `reach` rows with the next on either side."""
    first, second = (image[border : len(image) - border, border : image.shape[1] - border] for image in (first, second))
    for start in range(reach, len(first) - reach, _STRIP):
        rows = slice(start - reach, min(start + _STRIP, len(first) - reach) + reach)
        yield first[rows].astype(np.float64), second[rows].astype(np.float64)


def _blurred(image: np.ndarray) -> np.ndarray:
    offsets = np.arange(-_REACH, _REACH + 1)
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    taps /= taps.sum()
    return cv2.sepFilter2D(image, -1, taps, taps)[_REACH:-_REACH, _REACH:-_REACH]
