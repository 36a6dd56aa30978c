"""The baseline of `input_pipeline`: how BasicSR and EDSR-PyTorch (`--ext img`) feed and train a network, written anew.

A torch Dataset decodes the LR and the HR file of every sample; a DataLoader collects batches; the step is plain. Where
there was a choice the faster one is taken: the crop is cut before channels are turned, mirrored or made float.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

Decode = Callable[[Path], np.ndarray]


def by_opencv(path: Path) -> np.ndarray:
    """uint8 (h, w, 3), blue before red, as OpenCV gives it; the crop alone is turned into RGB."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def by_pillow(path: Path) -> np.ndarray:
    """uint8 (h, w, 3), RGB."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


DECODERS: dict[str, Decode] = {"OpenCV": by_opencv, "Pillow": by_pillow}


class DecodedPngs(Dataset):
    """LR (3, c, c) and HR (3, scale * c, scale * c), float32 in [0, 1]: an aligned random crop, mirrored and turned."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]], decoder: str, crop_lr: int, scale: int) -> None:
        """`pairs` are an LR and an HR file each."""
        self.pairs, self.decoder, self.crop, self.scale = pairs, decoder, crop_lr, scale

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        lr, hr = (DECODERS[self.decoder](path) for path in self.pairs[index])
        top = random.randint(0, lr.shape[0] - self.crop)
        left = random.randint(0, lr.shape[1] - self.crop)
        mirrored, flipped, transposed = (random.random() < 0.5 for _ in range(3))

        def sample(image: np.ndarray, scale: int) -> Tensor:
            side = self.crop * scale
            crop = image[top * scale : top * scale + side, left * scale : left * scale + side]
            if self.decoder == "OpenCV":
                crop = crop[:, :, ::-1]
            crop = crop[:, ::-1] if mirrored else crop
            crop = crop[::-1] if flipped else crop
            crop = crop.transpose(1, 0, 2) if transposed else crop
            return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).float().div(255)

        return sample(lr, 1), sample(hr, self.scale)


def loader(images: DecodedPngs, batch: int, batches: int, workers: int) -> DataLoader:
    """Epochs of `batches` batches; workers live from the first one on, and prepare two batches ahead each."""
    return DataLoader(
        images,
        batch,
        sampler=RandomSampler(images, replacement=True, num_samples=batch * batches),
        num_workers=workers,
        prefetch_factor=2 if workers else None,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
        pin_memory=False,  # there is no GPU to copy to
        drop_last=True,
    )


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)


class PlainSteps:
    """fp32, NCHW contiguous, L1 and torch's Adam as it comes; the loss is read in every step, for the log."""

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam(network.parameters(), learning_rate)

    def step(self, lr: Tensor, hr: Tensor) -> float:
        """Trains on a batch; returns its loss."""
        self.optimizer.zero_grad()
        loss = F.l1_loss(self.network(lr), hr)
        loss.backward()
        self.optimizer.step()
        return loss.item()
