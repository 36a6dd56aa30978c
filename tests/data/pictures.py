"""Pictures as sources of a pack, and folders of them."""

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from nas_sr.data.images import write_png
from nas_sr.data.pack import pixel_digest
from nas_sr.data.resize import downscale

_RANDOM = np.random.default_rng(0)


class Picture(NamedTuple):
    """An image pair in memory."""

    name: str
    hr: np.ndarray
    lr: np.ndarray

    def stamp(self) -> list[Any]:
        return [self.name, pixel_digest(self.hr), pixel_digest(self.lr)]

    def hr_pixels(self) -> int:
        return self.hr.shape[0] * self.hr.shape[1]

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, None]:
        return self.lr, self.hr, None


def picture(name: str, height: int, width: int, scale: int = 4) -> Picture:
    """Another picture at every call."""
    hr = image(height, width)
    return Picture(name, hr, downscale(hr, scale))


def image(height: int = 64, width: int = 96) -> np.ndarray:
    """Coloured patches with noise, as unlike at every call as photographs of different things."""
    patches = _RANDOM.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    smooth = cv2.resize(patches, (width, height), interpolation=cv2.INTER_LINEAR).astype(int)
    return np.clip(smooth + _RANDOM.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)


def write_images(folder: Path, names: list[str], size: tuple[int, int] = (64, 96)) -> Path:
    """PNG files of different pictures."""
    for name in names:
        write_png(folder / name, image(*size))
    return folder


def write_div2k(folder: Path, name: str, stems: list[str], size: tuple[int, int] = (64, 96), scale: int = 4) -> Path:
    """A set as DIV2K and Flickr2K are published; gives its HR folder."""
    for stem in stems:
        hr = image(*size)
        write_png(folder / f"{name}_HR" / f"{stem}.png", hr)
        write_png(folder / f"{name}_LR_bicubic" / f"X{scale}" / f"{stem}x{scale}.png", downscale(hr, scale))
    return folder / f"{name}_HR"
