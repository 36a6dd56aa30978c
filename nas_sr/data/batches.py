"""Random training crops straight from a pack: nothing is decoded, and step N's batch is always the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nas_sr.data.augmentation import turned
from nas_sr.data.pack import Pack
from nas_sr.data.resident import ResidentPixels
from nas_sr.errors import UsageError


class Crops(NamedTuple):
    """Where the crops of a batch are: image, first row and column in LR pixels, symmetry; int64 (n,) each."""

    image: np.ndarray
    top: np.ndarray
    left: np.ndarray
    turn: np.ndarray


class Batches:
    """Batches as a pure function of the step, so that a resumed training sees what an unbroken one would.

    The crops are the same wherever the pixels are.
    """

    def __init__(self, pack: Pack, crop_lr: int, batch: int, seed: int, resident: ResidentPixels | None = None) -> None:
        """`crop_lr` is the side of a crop in LR pixels; crops are cut from `resident` where it is given.

        Raises:
            UsageError: an image is smaller than the crop.
        """
        if pack.smallest_lr < crop_lr:
            raise UsageError(f"crops of {crop_lr} LR pixels do not fit an image of {pack.smallest_lr} in {pack.folder}")
        self._pack, self._crop, self._batch, self._seed, self._resident = pack, crop_lr, batch, seed, resident
        # As many crops from an image as it has pixels for, so that every place is seen equally often.
        places = np.array([(e.height - crop_lr + 1) * (e.width - crop_lr + 1) for e in pack.entries], np.float64)
        self._until = np.cumsum(places / places.sum())

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """LR (n, 3, c, c) and HR (n, 3, scale * c, scale * c), float32 in [0, 1], of step `step`."""
        crops = self._crops(step)
        if self._resident:
            lr, hr = self._resident.cut(*crops, self._crop)
        else:
            lr, hr = (torch.from_numpy(images) for images in self._cut(crops))
        return _images(lr), _images(hr)

    def _crops(self, step: int) -> Crops:
        random = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        crops = Crops(*np.empty((4, self._batch), np.int64))
        for place in range(self._batch):
            image = min(int(np.searchsorted(self._until, random.random(), side="right")), len(self._pack) - 1)
            entry = self._pack.entries[image]
            crops.image[place] = image
            crops.top[place] = random.integers(entry.height - self._crop + 1)
            crops.left[place] = random.integers(entry.width - self._crop + 1)
            crops.turn[place] = random.integers(8)
        return crops

    def _cut(self, crops: Crops) -> tuple[np.ndarray, np.ndarray]:
        """From the memory-mapped files; uint8 (n, h, w, 3)."""
        crop, scale = self._crop, self._pack.scale
        lr = np.empty((self._batch, crop, crop, 3), np.uint8)
        hr = np.empty((self._batch, crop * scale, crop * scale, 3), np.uint8)
        for place, (image, top, left, turn) in enumerate(zip(*(values.tolist() for values in crops), strict=True)):
            lr[place] = turned(self._pack.lr(image)[top : top + crop, left : left + crop], turn)
            top, left, side = top * scale, left * scale, crop * scale
            hr[place] = turned(self._pack.hr(image)[top : top + side, left : left + side], turn)
        return lr, hr


def _images(batch: Tensor) -> Tensor:
    return batch.permute(0, 3, 1, 2).to(torch.float32).div_(255)
