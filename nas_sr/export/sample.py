"""The sample picture of a bundle: a part of one image enlarged by its network, beside the original and bicubic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas_sr.config import FullTraining
from nas_sr.data import demo
from nas_sr.data.images import UnreadableImage, write_png
from nas_sr.data.resize import upscale
from nas_sr.errors import UsageError
from nas_sr.evaluate.benchmark import open_benchmark
from nas_sr.evaluate.side_by_side import side_by_side
from nas_sr.evaluate.upscalers import network_upscaler
from nas_sr.families.network import FamilyNetwork

SAMPLE = "sample.png"
_SIDE = 64  # LR pixels, from the middle of the image


def write_sample(network: FamilyNetwork, training: FullTraining, label: str, path: Path) -> None:
    """Writes the picture, of the first image that the study validated on, else of one that it trained on, else of the
    packaged photographs."""
    name, lr, hr = _image(training, network.spec.scale)
    outputs = {"bicubic": upscale(lr, network.spec.scale), label: network_upscaler(network)(lr)}
    write_png(path, side_by_side(name, hr, outputs, network.spec.scale))


def _image(training: FullTraining, scale: int) -> tuple[str, np.ndarray, np.ndarray]:
    for place in filter(None, (training.val, training.data)):
        try:
            name, read = open_benchmark(Path(place), scale).sources[0]
            return name, *_middle(*read(), scale)
        except (UsageError, UnreadableImage, OSError):  # moved away, or not to be read: another one serves
            continue
    source = demo.sources("val")[0]
    lr, hr, _ = source.read_matching(scale)
    return source.name, *_middle(lr, hr, scale)


def _middle(lr: np.ndarray, hr: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    height, width = (min(_SIDE, side) for side in lr.shape[:2])
    top, left = (lr.shape[0] - height) // 2, (lr.shape[1] - width) // 2
    large = hr[top * scale : (top + height) * scale, left * scale : (left + width) * scale]
    return lr[top : top + height, left : left + width], large
