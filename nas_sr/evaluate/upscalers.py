"""What turns an image into a larger one, and a network in PyTorch as such a thing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nas_sr.callbacks import CountProgress
from nas_sr.errors import UsageError
from nas_sr.evaluate.metrics import to_samples
from nas_sr.evaluate.tiles import TILE, Tiling, network_tiling
from nas_sr.families.network import FamilyNetwork

_GREY = np.array([0.299, 0.587, 0.114])  # BT.601


class CannotUpscale(Exception):
    """An image could not be upscaled; the text is one line saying why."""


@dataclass(frozen=True)
class Upscaler:
    """Enlarges images by a whole factor, in tiles where they are large.

    Attributes:
        tiling: how it can be applied to parts, and its factor.
        enlarge: uint8 or uint16 (h, w, 3) -> the same type, (scale * h, scale * w, 3).
    """

    tiling: Tiling
    enlarge: Callable[[np.ndarray], np.ndarray]

    @property
    def scale(self) -> int:
        """HR pixels for each LR pixel."""
        return self.tiling.scale

    def __call__(self, image: np.ndarray, progress: CountProgress = lambda done, total: None) -> np.ndarray:
        """uint8 or uint16, (h, w, 3) RGB or (h, w, 1) grey -> the same, `scale` times as large.

        Raises:
            CannotUpscale: not enough memory, the runtime failed, or the output is not finite.
        """
        enlarge = self.enlarge if image.shape[2] == 3 else self._enlarge_grey
        try:
            return self.tiling.run(enlarge, image, progress)
        except (MemoryError, RuntimeError, ArithmeticError) as error:
            text = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
            raise CannotUpscale(f"could not be upscaled: {text}") from error

    def _enlarge_grey(self, image: np.ndarray) -> np.ndarray:
        large = self.enlarge(np.repeat(image, 3, axis=2))
        return np.rint(large @ _GREY).astype(image.dtype)[:, :, None]


def network_upscaler(network: FamilyNetwork, device: str = "cpu", tile: int = TILE) -> Upscaler:
    """A network in PyTorch, in fp32 (no TF32), in tiles of about `tile` LR pixels a side.

    Raises:
        UsageError: no such device.
    """
    try:
        network = network.to(device).eval().deployed()
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{device}' cannot be used: {str(error).splitlines()[0][:120]}") from None

    @torch.inference_mode()
    def enlarge(image: np.ndarray) -> np.ndarray:
        with full_precision():
            return to_samples(network(to_batch(image).to(device)), image.dtype)

    return Upscaler(network_tiling(network.spec, tile), enlarge)


def full_precision() -> AbstractContextManager[None]:
    """Convolutions in fp32 on GPUs too, where TF32 would be the default."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def to_batch(image: np.ndarray) -> Tensor:
    """uint8 or uint16 (h, w, 3) -> float32 (1, 3, h, w) in [0, 1], channels last in memory."""
    return torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None].div_(np.iinfo(image.dtype).max)
