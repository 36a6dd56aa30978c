"""Random training crops straight from a pack: nothing is decoded, and step N's batch is always the same."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nas_sr.data.pack import Pack
from nas_sr.errors import UsageError


class Batches:
    """Batches as a pure function of the step, so that a resumed training sees what an unbroken one would."""

    def __init__(self, pack: Pack, crop_lr: int, batch: int, seed: int) -> None:
        """`crop_lr` is the side of a crop in LR pixels.

        Raises:
            UsageError: an image is smaller than the crop.
        """
        if pack.smallest_lr < crop_lr:
            raise UsageError(f"crops of {crop_lr} LR pixels do not fit an image of {pack.smallest_lr} in {pack.folder}")
        self._pack, self._crop, self._batch, self._seed = pack, crop_lr, batch, seed
        # As many crops from an image as it has pixels for, so that every place is seen equally often.
        places = np.array([(e.height - crop_lr + 1) * (e.width - crop_lr + 1) for e in pack.entries], np.float64)
        self._until = np.cumsum(places / places.sum())

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """LR (n, 3, c, c) and HR (n, 3, scale * c, scale * c), float32 in [0, 1], of step `step`."""
        random = np.random.Generator(np.random.Philox(key=[self._seed, step]))
        crop, scale = self._crop, self._pack.scale
        lr = np.empty((self._batch, crop, crop, 3), np.uint8)
        hr = np.empty((self._batch, crop * scale, crop * scale, 3), np.uint8)
        for place in range(self._batch):
            index = min(int(np.searchsorted(self._until, random.random(), side="right")), len(self._pack) - 1)
            entry = self._pack.entries[index]
            top = int(random.integers(entry.height - crop + 1))
            left = int(random.integers(entry.width - crop + 1))
            turn = int(random.integers(8))
            lr[place] = _turned(self._pack.lr(index)[top : top + crop, left : left + crop], turn)
            top, left, side = top * scale, left * scale, crop * scale
            hr[place] = _turned(self._pack.hr(index)[top : top + side, left : left + side], turn)
        return _images(lr), _images(hr)


def _turned(image: np.ndarray, turn: int) -> np.ndarray:
    """One of the eight symmetries of a square: bit 2 mirrors, the others count quarter turns."""
    return np.rot90(image[:, ::-1] if turn & 4 else image, turn & 3)


def _images(batch: np.ndarray) -> Tensor:
    return torch.from_numpy(batch).permute(0, 3, 1, 2).to(torch.float32).div_(255)
