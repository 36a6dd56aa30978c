"""Pictures that people train on, made from photographs: PNG files of LR and HR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from nas_sr.data.images import is_image, read_rgb, write_png
from nas_sr.data.resize import crop_to_multiple, downscale

SUB_IMAGE = 480
DF2K_WIDTH, DF2K_HEIGHT, ACROSS, DOWN = 2040, 1356, 4, 3


def sub_images(photos: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Squares from the photographs, side by side."""
    for photo in photos:
        for top in range(0, photo.shape[0] - SUB_IMAGE + 1, SUB_IMAGE):
            for left in range(0, photo.shape[1] - SUB_IMAGE + 1, SUB_IMAGE):
                yield photo[top : top + SUB_IMAGE, left : left + SUB_IMAGE]


def mosaics(photos: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Pictures of DF2K's usual size from the photographs' own pixels: enlarged ones would be easier to decode."""
    width, height = DF2K_WIDTH // ACROSS, DF2K_HEIGHT // DOWN
    while True:
        rows = []
        for _ in range(DOWN):
            photos_of_row = [next(photos) for _ in range(ACROSS)]
            tops = [(photo.shape[0] - height) // 2 for photo in photos_of_row]
            pieces = [photo[top : top + height, :width] for photo, top in zip(photos_of_row, tops, strict=True)]
            rows.append(np.concatenate(pieces, axis=1))
        yield np.concatenate(rows)


def endlessly(folder: Path) -> Iterator[np.ndarray]:
    """The photographs in a folder, again and again."""
    files = sorted(path for path in folder.iterdir() if is_image(path))
    if not files:
        raise SystemExit(f"{folder}: no photographs there")
    while True:
        yield from map(read_rgb, files)


KINDS: dict[str, Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]] = {
    "sub-images": sub_images,
    "photographs": lambda photos: photos,
    "DF2K's size": mosaics,
}


def write_pairs(pictures: Iterator[np.ndarray], count: int, folder: Path, scale: int) -> list[tuple[Path, Path]]:
    """LR and HR files of `count` pictures."""
    pairs = []
    for number in range(count):
        hr = crop_to_multiple(next(pictures), scale)
        lr_path, hr_path = folder / f"LRx{scale}" / f"{number:04}.png", folder / "HR" / f"{number:04}.png"
        write_png(hr_path, hr)
        write_png(lr_path, downscale(hr, scale))
        pairs.append((lr_path, hr_path))
    return pairs
