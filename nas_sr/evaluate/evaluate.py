"""Scores of upscalers on image pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from nas_sr.data.images import UnreadableImage
from nas_sr.data.pack import Pack
from nas_sr.data.resize import upscale
from nas_sr.evaluate.metrics import luma, psnr_db, ssim
from nas_sr.evaluate.tiles import Tiling
from nas_sr.evaluate.upscalers import CannotUpscale, Upscaler

ReadablePair = tuple[str, Callable[[], tuple[np.ndarray, np.ndarray]]]  # a name, and what reads its LR and HR
Seen = Callable[[str, np.ndarray, Mapping[str, np.ndarray]], None]  # name, HR, outputs by upscaler

_BICUBIC_REACH = 2
_SSIM_WINDOW = 11
_NO_MEMORY = (MemoryError, cv2.error)  # OpenCV's own is raised for little else


class ImageScores(NamedTuple):
    """One image."""

    name: str
    psnr_y_db: float
    ssim_y: float
    psnr_rgb_db: float
    ssim_rgb: float


class Scores(NamedTuple):
    """Images and their means; `problems` says in a line each which could not be scored or drawn, and why."""

    per_image: tuple[ImageScores, ...]
    problems: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.per_image)

    @property
    def psnr_y_db(self) -> float:
        """Mean PSNR on Y."""
        return self._mean("psnr_y_db")

    @property
    def ssim_y(self) -> float:
        """Mean SSIM on Y."""
        return self._mean("ssim_y")

    @property
    def psnr_rgb_db(self) -> float:
        """Mean PSNR over the three colours."""
        return self._mean("psnr_rgb_db")

    @property
    def ssim_rgb(self) -> float:
        """Mean SSIM over the three colours."""
        return self._mean("ssim_rgb")

    def means(self) -> dict[str, float]:
        """By the names of `ImageScores`."""
        return {key: self._mean(key) for key in ImageScores._fields[1:]}

    @property
    def identical(self) -> tuple[str, ...]:
        """Images whose PSNR is infinite: their output equals HR, in its Y at least. They make the mean infinite."""
        return tuple(image.name for image in self.per_image if math.inf in (image.psnr_y_db, image.psnr_rgb_db))

    def to_json(self) -> dict[str, Any]:
        """The keys that other programs rely on; an infinite PSNR is the string `inf`, as JSON has no such number."""
        return {
            "n": self.n,
            **_finite(self.means()),
            "identical": list(self.identical),
            "per_image": [_finite(image._asdict()) for image in self.per_image],
            "problems": list(self.problems),
        }

    def _mean(self, key: str) -> float:
        return float(np.mean([getattr(image, key) for image in self.per_image])) if self.per_image else float("nan")


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic interpolation, which every network is compared with."""
    return Upscaler(Tiling(scale, _BICUBIC_REACH), lambda image: upscale(image, scale))


def evaluate(upscaler: Upscaler, pack: Pack, scale: int, *, rounded_y: bool = False) -> Scores:
    """Scores on the pairs of a pack."""
    return evaluate_images({"": upscaler}, pack_sources(pack), scale, rounded_y=rounded_y)[""]


def pack_sources(pack: Pack) -> list[ReadablePair]:
    """The pairs of a pack, by name."""
    return [(name, partial(_pair, pack, index)) for index, name in enumerate(pack.names)]


def evaluate_images(
    upscalers: Mapping[str, Upscaler],
    sources: Sequence[ReadablePair],
    scale: int,
    *,
    rounded_y: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    seen: Seen | None = None,
) -> dict[str, Scores]:
    """Scores of each upscaler on the same pairs, read one at a time.

    Args:
        upscalers: by name, all of the same factor.
        sources: the pairs, by name.
        scale: their factor.
        rounded_y: whether Y is rounded to integers, as MATLAB's rgb2ycbcr does.
        progress: told (images done, images).
        seen: given every image that was scored, with the outputs.
    """
    scores: dict[str, list[ImageScores]] = {label: [] for label in upscalers}
    problems: dict[str, list[str]] = {label: [] for label in upscalers}
    for done, (name, read) in enumerate(sources, start=1):
        try:
            lr, hr = _scorable(name, *read(), scale)
        except UnreadableImage as error:
            for lines in problems.values():
                lines.append(str(error))
        except _NO_MEMORY:
            for lines in problems.values():
                lines.append(f"{name}: not enough memory to read it")
        else:
            outputs = {}
            for label, upscaler in upscalers.items():
                try:
                    output = upscaler(lr)
                    scores[label].append(_score(name, output, hr, scale, rounded_y))
                except CannotUpscale as error:
                    problems[label].append(f"{name}: {error}")
                except _NO_MEMORY:
                    problems[label].append(f"{name}: not enough memory to score it")
                else:
                    outputs[label] = output
            try:
                if seen:
                    seen(name, hr, outputs)
            except (OSError, *_NO_MEMORY) as error:  # a full disk must not cost the figures
                why = (error.strerror if isinstance(error, OSError) else None) or str(error) or "not enough memory"
                for lines in problems.values():
                    lines.append(f"{name}: its picture could not be written: {why}")
        progress(done, len(sources))
    return {label: Scores(tuple(scores[label]), tuple(problems[label])) for label in upscalers}


def _finite(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: "inf" if value == math.inf else value for key, value in figures.items()}


def _pair(pack: Pack, index: int) -> tuple[np.ndarray, np.ndarray]:
    return pack.lr(index), pack.hr(index)


def _scorable(name: str, lr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    smallest = _SSIM_WINDOW + 2 * scale
    if min(hr.shape[:2]) < smallest:
        why = f"too small to score: {hr.shape[1]}x{hr.shape[0]} pixels; at least {smallest} a side are needed"
        raise UnreadableImage(Path(name), why)
    return lr, hr


def _score(name: str, output: np.ndarray, hr: np.ndarray, scale: int, rounded_y: bool) -> ImageScores:
    ours, theirs = luma(output, rounded_y), luma(hr, rounded_y)
    return ImageScores(
        name,
        psnr_db(ours, theirs, scale),
        ssim(ours, theirs, scale),
        psnr_db(output, hr, scale),
        float(np.mean([ssim(output[:, :, colour], hr[:, :, colour], scale) for colour in range(3)])),
    )
