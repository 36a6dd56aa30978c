"""A pack's pixels in the memory of the device that trains, where crops are cut by index arithmetic.

The code is the same for every device. It has been run on the CPU only: there its batches equal those of the
memory-mapped files to the bit. CUDA has not been run.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nas_sr.data.augmentation import turned_places
from nas_sr.data.pack import Pack
from nas_sr.errors import WorkError
from nas_sr.out_of_memory import is_out_of_memory

Where = Literal["auto", "memory_map", "device"]

_SHARE_OF_FREE = 0.6  # the rest is for networks, activations, and others on the same device
_PIXELS_AT_ONCE = 2**24


class ResidentPixels:
    """All pixels of a pack on one device, a flat uint8 tensor (pixels, 3) for each resolution."""

    def __init__(self, pack: Pack, device: str) -> None:
        """Copies the pixels there, a few megabytes at a time.

        Raises:
            WorkError: they do not fit.
        """
        self._device = torch.device(device)
        self._scale = pack.scale
        try:
            self._lr, self._hr = (_copied(flat, self._device) for flat in (pack.flat_lr, pack.flat_hr))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise WorkError(
                f"{pack.folder}: its {pack.size / 1e9:.2f} GB of pixels do not fit on {device}; use pack_in: memory_map"
            ) from None
        self._at = np.array([entry.at for entry in pack.entries])
        self._width = np.array([entry.width for entry in pack.entries])
        self._places: dict[int, tuple[Tensor, Tensor]] = {}

    def cut(
        self, image: np.ndarray, top: np.ndarray, left: np.ndarray, turn: np.ndarray, crop_lr: int
    ) -> tuple[Tensor, Tensor]:
        """LR (n, c, c, 3) and HR (n, scale * c, scale * c, 3), uint8; arguments as in `batches.Crops`."""
        scale, at, width = self._scale, self._at[image], self._width[image]
        lr = self._gathered(self._lr, at + top * width + left, width, turn, crop_lr)
        first = at * scale**2 + top * scale * width * scale + left * scale
        return lr, self._gathered(self._hr, first, width * scale, turn, crop_lr * scale)

    def _gathered(self, pixels: Tensor, first: np.ndarray, width: np.ndarray, turn: np.ndarray, side: int) -> Tensor:
        """Squares whose top left pixels are `first`, from images of these widths."""
        rows, columns = self._turned_places(side)
        first_, width_, turn_ = torch.from_numpy(np.stack([first, width, turn])).to(self._device)
        return pixels[first_[:, None, None] + rows[turn_] * width_[:, None, None] + columns[turn_]]

    def _turned_places(self, side: int) -> tuple[Tensor, Tensor]:
        if side not in self._places:
            rows, columns = (torch.from_numpy(places).to(self._device) for places in turned_places(side))
            self._places[side] = rows, columns
        return self._places[side]


def resident_pixels(pack: Pack, device: str, where: Where, crop_bytes: int) -> ResidentPixels | None:
    """The pack's pixels on `device` where that is asked for, or worth it; None for the memory-mapped files.

    `auto` is the device for CUDA when the pack fits into 60 % of the memory that is free there and the training reads
    more (`crop_bytes`, over all steps) than the pack holds: a brief training would spend its time on copying.

    Raises:
        WorkError: asked for, and it does not fit.
    """
    if where == "auto":
        worth_it = torch.device(device).type == "cuda" and crop_bytes > pack.size
        where = "device" if worth_it and pack.size < _SHARE_OF_FREE * _free(device) else "memory_map"
    return ResidentPixels(pack, device) if where == "device" else None


def _free(device: str) -> int:
    return torch.cuda.mem_get_info(torch.device(device))[0]


def _copied(flat: np.ndarray, device: torch.device) -> Tensor:
    pixels = torch.empty(flat.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(flat), _PIXELS_AT_ONCE):
        part = np.array(flat[start : start + _PIXELS_AT_ONCE])  # a copy, because tensors cannot be read-only
        pixels[start : start + len(part)] = torch.from_numpy(part).to(device)
    return pixels
