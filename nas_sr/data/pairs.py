"""An HR image file and the LR file that belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_sr.data.images import UnreadableImage, pixel_count, read_rgb
from nas_sr.data.matching import Match, match
from nas_sr.data.resize import crop_to_multiple, downscale


class ImagePair(NamedTuple):
    """An HR file and its LR file; without one, the LR image is made by bicubic downscaling."""

    name: str
    hr: Path
    lr: Path | None

    def read(self, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (h, w, 3) and HR (scale * h, scale * w, 3), uint8; HR is cropped to a multiple of `scale` first.

        Raises:
            UnreadableImage: a file cannot be read, HR has less than `scale` pixels a side, or the sizes disagree.
        """
        whole = read_rgb(self.hr)
        hr = crop_to_multiple(whole, scale)
        if 0 in hr.shape:
            raise UnreadableImage(self.hr, f"{_size(whole)} pixels; at least {scale}x{scale} are needed")
        if self.lr is None:
            return downscale(hr, scale), np.ascontiguousarray(hr)
        lr = read_rgb(self.lr)
        expected = (hr.shape[0] // scale, hr.shape[1] // scale, 3)
        if lr.shape != expected:
            raise UnreadableImage(
                self.lr, f"{_size(lr)} pixels; x{scale} of {_size(whole)} HR needs {_size(hr, scale)}"
            )
        return lr, np.ascontiguousarray(hr)

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        """As `read`, and how the LR file agrees with its HR file.

        Raises:
            UnreadableImage: also when LR shows another picture than HR.
        """
        lr, hr = self.read(scale)
        if self.lr is None:
            return lr, hr, None
        matched = match(lr, hr, scale)
        if not matched.same_picture:
            raise UnreadableImage(
                self.lr, f"not a downscale of {self.hr} ({matched.bicubic_db:.1f} dB against its bicubic); swapped?"
            )
        return lr, hr, matched

    def stamp(self) -> list[Any]:
        """What decides its pixels, without reading them: name, and sizes and times of the files."""
        return [self.name, *(value for path in (self.hr, self.lr) if path for value in _size_and_time(path))]

    def hr_pixels(self) -> int:
        """HR pixels by the file's header; 0 where it cannot be read."""
        return pixel_count(self.hr)


def _size(image: np.ndarray, divisor: int = 1) -> str:
    """Width x height, as image viewers say it."""
    return f"{image.shape[1] // divisor}x{image.shape[0] // divisor}"


def _size_and_time(path: Path) -> tuple[int, int]:
    """What changes when a file does; zeros where there is none, which reading it will tell."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
