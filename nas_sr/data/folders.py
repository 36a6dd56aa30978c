"""Finds the image pairs in the folder layouts that people have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from nas_sr.data.images import IMAGE_SUFFIXES, UnreadableImage, is_image, read_rgb
from nas_sr.data.resize import crop_to_multiple, downscale
from nas_sr.errors import UsageError


class ImagePair(NamedTuple):
    """An HR file and its LR file; without one, the LR image is made by bicubic downscaling."""

    name: str
    hr: Path
    lr: Path | None

    def read(self, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (h, w, 3) and HR (scale * h, scale * w, 3), uint8; HR is cropped to a multiple of `scale` first.

        Raises:
            UnreadableImage: a file cannot be read, HR has less than `scale` pixels a side, or the sizes disagree.
        """
        whole = read_rgb(self.hr)
        hr = crop_to_multiple(whole, scale)
        if 0 in hr.shape:
            raise UnreadableImage(self.hr, f"{_size(whole)} pixels; at least {scale}x{scale} are needed")
        if self.lr is None:
            return downscale(hr, scale), np.ascontiguousarray(hr)
        lr = read_rgb(self.lr)
        expected = (hr.shape[0] // scale, hr.shape[1] // scale, 3)
        if lr.shape != expected:
            raise UnreadableImage(
                self.lr, f"{_size(lr)} pixels; x{scale} of {_size(whole)} HR needs {_size(hr, scale)}"
            )
        return lr, np.ascontiguousarray(hr)


class Found(NamedTuple):
    """The pairs of a folder, by name, and one line for each thing a user should know about them."""

    pairs: list[ImagePair]
    problems: list[str]


def find_pairs(folder: Path, scale: int) -> Found:
    """The image pairs of a folder in one of these layouts:

    - `HR/` with `LRx<scale>/` (equal names), or only `HR/`;
    - DIV2K's and Flickr2K's: `<set>_HR/` with `<set>_LR_bicubic/X<scale>/0001x4.png`, one or several sets in a folder;
    - the HR folder of either;
    - a flat folder of images, which are HR.

    Raises:
        UsageError: no such folder, or no images in it.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}; expected {_allowed(scale)}")
    problems: list[str] = []
    sources = _hr_folders(folder, problems)
    pairs = []
    for source in sources:
        prefix = f"{source.name}/" if len(sources) > 1 else ""
        pairs += _pairs_of(source, scale, prefix, problems)
    if not pairs:
        raise UsageError(f"{folder}: no images; expected {_allowed(scale)}")
    return Found(pairs, problems)


def _hr_folders(folder: Path, problems: list[str]) -> list[Path]:
    """Where the HR images lie: in HR/, in the HR folders of several sets, or in the folder itself."""
    if (folder / "HR").is_dir():
        return [folder / "HR"]
    sets = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.endswith("_HR"))
    training = [path for path in sets if not path.name.endswith(("_valid_HR", "_test_HR"))]
    if training and len(training) < len(sets):
        left_out = ", ".join(path.name for path in sets if path not in training)
        problems.append(f"{folder}: {left_out} left out, so that training and validation images do not mix")
    return training or sets or [folder]


def _pairs_of(source: Path, scale: int, prefix: str, problems: list[str]) -> list[ImagePair]:
    """The pairs of one HR folder; their LR folder lies beside it."""
    if source.name == "HR":
        lr_folder, suffix = source.parent / f"LRx{scale}", ""
    else:
        name = source.name.removesuffix("_HR")
        lr_folder, suffix = source.parent / f"{name}_LR_bicubic" / f"X{scale}", f"x{scale}"
    partners = {path.stem: path for path in _images(lr_folder)} if source.name.endswith("HR") else {}
    pairs = [ImagePair(prefix + path.name, path, partners.get(path.stem + suffix)) for path in _images(source)]
    alone = [pair.name for pair in pairs if partners and pair.lr is None]
    if alone:
        problems.append(f"{lr_folder}: no LR image for {alone[0]}{_others(len(alone))}; made by bicubic downscaling")
    return pairs


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path)) if folder.is_dir() else []


def _others(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _size(image: np.ndarray, divisor: int = 1) -> str:
    """Width x height, as image viewers say it."""
    return f"{image.shape[1] // divisor}x{image.shape[0] // divisor}"


def _allowed(scale: int) -> str:
    return (
        f"a folder with HR/ (and LRx{scale}/), in DIV2K's layout (*_HR/, *_LR_bicubic/X{scale}/), "
        f"or of images ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})"
    )
