"""The one number that training watches, and the pixels that it is computed on: whole images, or crops of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from nas_sr.data.pack import Entry, Pack
from nas_sr.digest import digest
from nas_sr.evaluate.metrics import psnr_db, to_samples
from nas_sr.evaluate.upscalers import full_precision, to_batch

# LR pixels a side: one attention window. Of as many pixels in crops twice as large, the PSNR difference between two
# networks has twice the standard error (tests/benchmarks/validation_pixels.py).
CROP_LR = 32
_LEAST_ERROR = 1 / 12  # of rounding to 8 bits; a flat crop would else be worth infinitely many dB
# Steps of the additive sequence that fills the unit square most evenly (powers of the plastic ratio).
_STEP = (0.7548776662466927, 0.5698402909980532)

Between = Callable[[], None]


class Crop(NamedTuple):
    """A part of an image, in LR pixels."""

    image: int
    top: int
    left: int
    height: int
    width: int


class ValidationSet(NamedTuple):
    """Images of a pack and the parts of them that are looked at, in the order of the images."""

    pack: Pack
    crops: tuple[Crop, ...]

    @property
    def megapixels(self) -> float:
        """HR pixels, in millions."""
        return sum(crop.height * crop.width for crop in self.crops) * self.pack.scale**2 / 1e6

    @property
    def images(self) -> int:
        """Number of images of which something is looked at."""
        return len({crop.image for crop in self.crops})

    @property
    def is_everything(self) -> bool:
        """Whether all images are looked at whole."""
        return self.crops == everything(self.pack).crops

    @property
    def digest(self) -> str:
        """Names the places, not the pixels."""
        return digest(self.crops)

    def __str__(self) -> str:
        if self.is_everything:
            return f"{self.images} whole images, {self.megapixels:.2f} megapixels"
        whole = everything(self.pack).megapixels
        return (
            f"{len(self.crops)} crops in {self.images} of {len(self.pack)} images,"
            f" {self.megapixels:.2f} of {whole:.3g} megapixels"
        )


def everything(pack: Pack) -> ValidationSet:
    """All images, whole."""
    return ValidationSet(pack, tuple(Crop(i, 0, 0, e.height, e.width) for i, e in enumerate(pack.entries)))


def bounded(pack: Pack, megapixels: float, side: int = CROP_LR) -> ValidationSet:
    """About that many millions of HR pixels, always the same ones: everything where it fits, else crops.

    As many crops from one image as from another, as far as it has room for them; of more images than crops, some.
    At least one crop.
    """
    whole = everything(pack)
    if whole.megapixels <= megapixels:
        return whole
    count = max(1, int(megapixels * 1e6 / (side * pack.scale) ** 2))
    number = min(count, len(pack))
    images = [(2 * place + 1) * len(pack) // (2 * number) for place in range(number)]
    grids = [Grid(image, pack.entries[image], side) for image in images]
    wanted = shared_out(count, [grid.rows * grid.columns for grid in grids])
    return ValidationSet(
        pack, tuple(crop for grid, part in zip(grids, wanted, strict=True) for crop in grid.spread(part))
    )


def validation_psnr_rgb(network: nn.Module, images: Pack | ValidationSet, between: Between = lambda: None) -> float:
    """Mean RGB PSNR [dB] of the rounded output, borders of `scale` pixels cropped; always in fp32.

    NaN when an output is not finite: rounding to 8 bits would hide it.

    Args:
        network: takes RGB in [0, 1].
        images: what it is looked at on; of a pack, everything.
        between: called between two images, and on a CPU between two layers too: a measurement may hold the device
            there.
    """
    device = next(network.parameters()).device
    looked_at = images if isinstance(images, ValidationSet) else everything(images)

    def enlarged(lr: np.ndarray) -> np.ndarray:
        return to_samples(network(to_batch(lr).to(device)), np.dtype(np.uint8))

    # On a GPU a layer's work is only queued when the next one begins, and no image takes long.
    layers = _called_before_layers(network, between) if device.type == "cpu" else ExitStack()
    with torch.inference_mode(), full_precision(), layers:
        try:
            return mean_psnr_rgb(enlarged, looked_at, between)
        except ArithmeticError:
            return math.nan


def mean_psnr_rgb(
    enlarge: Callable[[np.ndarray], np.ndarray], images: ValidationSet, between: Between = lambda: None
) -> float:
    """The same of anything that enlarges uint8 (h, w, 3) images. An image's crops share one mean squared error."""
    pack = images.pack
    errors: dict[int, list[float]] = {}  # of the crops of each image
    for crop in images.crops:
        between()
        output = enlarge(cut(pack.lr(crop.image), crop, 1))
        found_db = psnr_db(output, cut(pack.hr(crop.image), crop, pack.scale), pack.scale)
        errors.setdefault(crop.image, []).append(255**2 / 10 ** (found_db / 10))
    means = [max(float(np.mean(each)), _LEAST_ERROR) for each in errors.values()]
    return float(np.mean([10 * math.log10(255**2 / mean) for mean in means]))


def cut(image: np.ndarray, crop: Crop, scale: int) -> np.ndarray:
    """The crop of an image that is `scale` times as large as the LR image."""
    top, left = crop.top * scale, crop.left * scale
    return image[top : top + crop.height * scale, left : left + crop.width * scale]


class Grid:
    """Crops of an image that do not overlap."""

    def __init__(self, image: int, entry: Entry, side: int) -> None:
        self.image = image
        self.height, self.width = min(side, entry.height), min(side, entry.width)
        self.rows, self.columns = entry.height // self.height, entry.width // self.width
        self.top, self.left = (
            (entry.height - self.rows * self.height) // 2,
            (entry.width - self.columns * self.width) // 2,
        )

    def spread(self, count: int) -> Iterator[Crop]:
        """`count` of them, however few, all over the image; a single one is elsewhere in each image."""
        seen: set[tuple[int, int]] = set()
        number = self.image
        while len(seen) < count:
            number += 1
            row, column = (int(number * step % 1 * n) for step, n in zip(_STEP, (self.rows, self.columns), strict=True))
            if (row, column) not in seen:
                seen.add((row, column))
                top, left = self.top + row * self.height, self.left + column * self.width
                yield Crop(self.image, top, left, self.height, self.width)


def shared_out(count: int, room: list[int]) -> list[int]:
    """`count` things over places with so much room, as evenly as that allows."""
    given = [0] * len(room)
    while count and (open_places := [place for place, most in enumerate(room) if given[place] < most]):
        for place in open_places[:count]:
            given[place] += 1
        count -= min(count, len(open_places))
    return given


@contextmanager
def _called_before_layers(network: nn.Module, between: Between) -> Iterator[None]:
    with ExitStack() as hooks:
        for module in network.modules():
            hooks.callback(module.register_forward_pre_hook(lambda *_: between()).remove)
        yield
