"""PSNR and SSIM by the field's protocol, on 8-bit images."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


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
    y = 16 + image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255
    return np.floor(y + 0.5) if rounded else y


def psnr_db(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """Peak signal-to-noise ratio [dB] at peak 255 over all pixels inside the border; infinite for equal images."""
    difference = _inside(first, border).astype(np.float64) - _inside(second, border)
    error = float(np.mean(difference**2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(first: np.ndarray, second: np.ndarray, border: int) -> float:
    """Structural similarity of two single-channel images inside the border (Wang et al. 2004).

    Gaussian of 11x11, sigma 1.5, valid region only; K = 0.01 and 0.03 at peak 255.
    """
    a, b = (_inside(image, border).astype(np.float64) for image in (first, second))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a = _blurred(a * a) - mean_a**2
    var_b = _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    return float(similarity.mean())


def _inside(image: np.ndarray, border: int) -> np.ndarray:
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def _blurred(image: np.ndarray) -> np.ndarray:
    offsets = np.arange(-5, 6)
    taps = np.exp(-(offsets**2) / (2 * 1.5**2))
    taps /= taps.sum()
    return cv2.sepFilter2D(image, -1, taps, taps)[5:-5, 5:-5]
