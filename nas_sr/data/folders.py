"""Finds the image pairs in the folder layouts that people have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from nas_sr.data.images import IMAGE_SUFFIXES, UnreadableImage, is_image, read_rgb
from nas_sr.data.matching import Match, match
from nas_sr.data.resize import crop_to_multiple, downscale
from nas_sr.errors import UsageError

PUBLISHED_COUNTS = {"DIV2K_train_HR": 800, "DIV2K_valid_HR": 100, "Flickr2K_HR": 2650}


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

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        """As `read`, and how the LR file agrees with its HR file.

        Raises:
            UnreadableImage: also when LR shows another picture than HR.
        """
        lr, hr = self.read(scale)
        if self.lr is None:
            return lr, hr, None
        found = match(lr, hr, scale)
        if not found.same_picture:
            raise UnreadableImage(
                self.lr, f"not a downscale of {self.hr} ({found.bicubic_db:.1f} dB against its bicubic); swapped?"
            )
        return lr, hr, found

    def stamp(self) -> list[Any]:
        """What decides its pixels, without reading them: name, and sizes and times of the files."""
        return [self.name, *(value for path in (self.hr, self.lr) if path for value in _size_and_time(path))]

    def hr_pixels(self) -> int:
        """HR pixels by the file's header; 0 where it cannot be read."""
        try:
            with Image.open(self.hr) as image:
                return image.width * image.height
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return 0


class Found(NamedTuple):
    """The pairs of folders, by name."""

    pairs: list[ImagePair]
    notes: list[str]  # one line for each thing that a user should know about the folders
    unpaired: list[tuple[Path, str]]  # images without the partner that others have, and what follows

    @property
    def problems(self) -> list[str]:
        """The notes, and one line for all images of a set that lack the same partner."""
        lacking: dict[str, list[Path]] = {}
        for path, what in self.unpaired:
            lacking.setdefault(what, []).append(path)
        lines = [f"{paths[0]}{_others(len(paths))}: {what}" for what, paths in lacking.items()]
        return [*self.notes, *lines]


def find_pairs(folder: Path, scale: int) -> Found:
    """The image pairs of a folder in one of these layouts:

    - `HR/` with `LRx<scale>/` (equal names), or only `HR/`;
    - DIV2K's and Flickr2K's: `<set>_HR/` with `<set>_LR_bicubic/X<scale>/0001x4.png`, one or several sets in a folder;
    - the HR folder of either;
    - a folder of such folders (`DF2K/DIV2K/DIV2K_train_HR`, `DF2K/Flickr2K/Flickr2K_HR`);
    - a flat folder of images, which are HR.

    Raises:
        UsageError: no such folder, it cannot be read, or no images in it.
    """
    return find_all_pairs([folder], scale)


def find_all_pairs(folders: Sequence[Path], scale: int) -> Found:
    """The image pairs of several folders; where there are several sets, names begin with their set's.

    Raises:
        UsageError: one of them does not exist, cannot be read, or has no images.
    """
    notes: list[str] = []
    try:
        found = [source for folder in folders for source in _sources_of(folder, scale, notes)]
        sources = list({source.resolve(): source for source in found}.values())
        pairs: list[ImagePair] = []
        unpaired: list[tuple[Path, str]] = []
        for source, prefix in zip(sources, _prefixes(sources), strict=True):
            pairs += _pairs_of(source, scale, prefix, notes, unpaired)
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return Found(pairs, notes, unpaired)


def _sources_of(folder: Path, scale: int, notes: list[str]) -> list[Path]:
    """The HR folders of one folder that a user named."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}; expected {_allowed(scale)}")
    sources = _hr_folders(folder, notes)
    if not any(_images(source) for source in sources):
        raise UsageError(f"{folder}: no images; expected {_allowed(scale)}")
    return sources


def _hr_folders(folder: Path, notes: list[str]) -> list[Path]:
    """Where the HR images lie: in HR/, in the HR folders of several sets, one level down, or in the folder itself."""
    if (folder / "HR").is_dir():
        return [folder / "HR"]
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    sets = [path for path in inside if path.name.endswith("_HR")]
    if not sets and not _images(folder):
        sets = [path for parent in inside for path in sorted(parent.iterdir()) if _is_hr_folder(path)]
    training = [path for path in sets if not path.name.endswith(("_valid_HR", "_test_HR"))]
    if training and len(training) < len(sets):
        left_out = ", ".join(path.name for path in sets if path not in training)
        notes.append(f"{folder}: {left_out} left out, so that training and validation images do not mix")
    return training or sets or [folder]


def _is_hr_folder(path: Path) -> bool:
    return path.is_dir() and (path.name == "HR" or path.name.endswith("_HR"))


def _prefixes(sources: list[Path]) -> list[str]:
    """What tells images of one set from those of another: as much of its path as that takes, nothing for one set."""
    if len(sources) == 1:
        return [""]
    parts = [source.resolve().parts for source in sources]
    sets = [path[:-1] if path[-1] == "HR" else path for path in parts]
    depth = 1
    while len({path[-depth:] for path in sets}) < len({*sets}):
        depth += 1
    return ["/".join(path[-depth:]) + "/" for path in sets]


def _pairs_of(
    source: Path, scale: int, prefix: str, notes: list[str], unpaired: list[tuple[Path, str]]
) -> list[ImagePair]:
    """The pairs of one HR folder; their LR folder lies beside it."""
    if source.name == "HR":
        lr_folder, suffix = source.parent / f"LRx{scale}", ""
    else:
        name = source.name.removesuffix("_HR")
        lr_folder, suffix = source.parent / f"{name}_LR_bicubic" / f"X{scale}", f"x{scale}"
    images = _images(source)
    partners = {path.stem: path for path in _images(lr_folder)} if source.name.endswith("HR") else {}
    some_have_lr = bool(partners)
    pairs = [ImagePair(prefix + path.name, path, partners.pop(path.stem + suffix, None)) for path in images]
    alone = [pair for pair in pairs if some_have_lr and pair.lr is None]
    expected = PUBLISHED_COUNTS.get(source.name, len(images))
    if len(images) < expected:
        notes.append(f"{source}: {len(images)} images; {expected} were published")
    unpaired += [(pair.hr, f"no LR image in {lr_folder}; it is made by bicubic downscaling") for pair in alone]
    unpaired += [(path, f"no HR image in {source}; it is not used") for path in partners.values()]
    return pairs


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path)) if folder.is_dir() else []


def _others(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _size(image: np.ndarray, divisor: int = 1) -> str:
    """Width x height, as image viewers say it."""
    return f"{image.shape[1] // divisor}x{image.shape[0] // divisor}"


def _size_and_time(path: Path) -> tuple[int, int]:
    """What changes when a file does; zeros where there is none, which reading it will tell."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _allowed(scale: int) -> str:
    return (
        f"a folder with HR/ (and LRx{scale}/), in DIV2K's layout (*_HR/, *_LR_bicubic/X{scale}/), "
        f"or of images ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})"
    )
