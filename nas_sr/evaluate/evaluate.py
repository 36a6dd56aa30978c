"""Scores of an upscaler on image pairs, and the one number that training watches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nas_sr.arch.network import Network
from nas_sr.data.folders import find_pairs
from nas_sr.data.images import UnreadableImage
from nas_sr.data.pack import Pack
from nas_sr.data.resize import upscale
from nas_sr.errors import UsageError
from nas_sr.evaluate.metrics import luma, psnr_db, ssim, to_uint8
from nas_sr.evaluate.tiles import TILE, forward_tiled

Upscaler = Callable[[np.ndarray], np.ndarray]  # uint8 (h, w, 3) -> uint8 (scale * h, scale * w, 3)


class ImageScores(NamedTuple):
    """One image."""

    name: str
    psnr_y_db: float
    ssim_y: float
    psnr_rgb_db: float


class Scores(NamedTuple):
    """Images and their means; `problems` are the files that could not be scored."""

    per_image: tuple[ImageScores, ...]
    problems: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.per_image)

    @property
    def psnr_y_db(self) -> float:
        """Mean PSNR on Y."""
        return float(np.mean([image.psnr_y_db for image in self.per_image]))

    @property
    def ssim_y(self) -> float:
        """Mean SSIM on Y."""
        return float(np.mean([image.ssim_y for image in self.per_image]))

    @property
    def psnr_rgb_db(self) -> float:
        """Mean PSNR over the three colours."""
        return float(np.mean([image.psnr_rgb_db for image in self.per_image]))

    def to_json(self) -> dict[str, Any]:
        """The keys that other programs rely on."""
        return {
            "n": self.n,
            "psnr_y_db": self.psnr_y_db,
            "ssim_y": self.ssim_y,
            "psnr_rgb_db": self.psnr_rgb_db,
            "per_image": [image._asdict() for image in self.per_image],
            "problems": list(self.problems),
        }


def bicubic(scale: int) -> Upscaler:
    """MATLAB's bicubic interpolation."""
    return lambda image: upscale(image, scale)


def network_upscaler(network: Network, device: str = "cpu", tile: int = TILE) -> Upscaler:
    """Upscaling by a network; images larger than `tile` LR pixels go through it in tiles, to the same pixels."""
    network = network.to(device).eval()

    @torch.inference_mode()
    def run(image: np.ndarray) -> np.ndarray:
        return to_uint8(forward_tiled(network, _to_batch(image).to(device), tile))

    return run


def evaluate(upscaler: Upscaler, pack: Pack, scale: int, *, rounded_y: bool = False) -> Scores:
    """Scores on the pairs of a pack."""
    pairs = ((name, pack.lr(index), pack.hr(index)) for index, name in enumerate(pack.names))
    return Scores(tuple(_score(upscaler, *pair, scale, rounded_y) for pair in pairs))


def evaluate_folder(
    upscaler: Upscaler,
    folder: Path,
    scale: int,
    *,
    rounded_y: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """Scores on the pairs of a folder, read one at a time.

    Raises:
        UsageError: no such folder, or no pair that can be scored.
    """
    found = find_pairs(folder, scale)
    scores, problems = [], list(found.problems)
    for done, pair in enumerate(found.pairs, start=1):
        try:
            lr, hr = pair.read(scale)
            if min(hr.shape[:2]) < 11 + 2 * scale:
                raise UnreadableImage(pair.hr, f"too small to score: {hr.shape[1]}x{hr.shape[0]} pixels")
            scores.append(_score(upscaler, pair.name, lr, hr, scale, rounded_y))
        except UnreadableImage as error:
            problems.append(str(error))
        progress(done, len(found.pairs))
    if not scores:
        raise UsageError(f"{folder}: no pair can be scored; the first problem: {problems[0]}")
    return Scores(tuple(scores), tuple(problems))


@torch.inference_mode()
def validation_psnr_rgb(network: nn.Module, pack: Pack) -> float:
    """Mean RGB PSNR [dB] over a pack, of the rounded output, borders of `scale` pixels cropped; always in fp32.

    NaN when an output is not finite: rounding to 8 bits would hide it.
    """
    device = next(network.parameters()).device
    scores = []
    for index in range(len(pack)):
        output = network(_to_batch(pack.lr(index)).to(device))
        if not torch.isfinite(output).all():
            return float("nan")
        scores.append(psnr_db(to_uint8(output), pack.hr(index), pack.scale))
    return float(np.mean(scores))


def _score(upscaler: Upscaler, name: str, lr: np.ndarray, hr: np.ndarray, scale: int, rounded_y: bool) -> ImageScores:
    output = upscaler(lr)
    ours, theirs = luma(output, rounded_y), luma(hr, rounded_y)
    return ImageScores(name, psnr_db(ours, theirs, scale), ssim(ours, theirs, scale), psnr_db(output, hr, scale))


def _to_batch(image: np.ndarray) -> Tensor:
    """uint8 (h, w, 3) -> float32 (1, 3, h, w) in [0, 1]."""
    return torch.tensor(image).permute(2, 0, 1)[None].float().div_(255)
