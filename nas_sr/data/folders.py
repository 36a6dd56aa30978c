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


def find_pairs(folder: Path, scale: int, *, evaluating: bool = False) -> Found:
    """The image pairs of a folder in one of these layouts:

    - `HR/` or `GTmod12/` with `LRx<scale>/`, `LR_bicubic/X<scale>/` or `LRbicx<scale>/`, or without; LR names are the
      HR names, or those with `x<scale>` behind them;
    - DIV2K's and Flickr2K's: `<set>_HR/` with `<set>_LR_bicubic/X<scale>/0001x4.png`, one or several sets in a folder
      (of training and validation sets, `evaluating` takes the latter, otherwise the former);
    - the HR folder of any of these;
    - `image_SRF_<scale>/`, or that folder itself, with `<name>_HR.png` and `<name>_LR.png` side by side (the results of
      other methods beside them are passed over);
    - a flat folder of images, which are HR;
    - a folder that holds nothing but one of these.

    Raises:
        UsageError: no such folder, or no images in it.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}; expected {_allowed(scale)}")
    problems: list[str] = []
    inside = _unwrapped(folder)
    pairs = _side_by_side(inside, scale, problems)
    if not pairs:
        sources = _hr_folders(inside, scale, evaluating, problems)
        for source in sources:
            prefix = f"{source.name}/" if len(sources) > 1 else ""
            pairs += _pairs_of(source, scale, prefix, problems)
    if not pairs:
        raise UsageError(f"{folder}: no images; expected {_allowed(scale)}")
    return Found(pairs, problems)


def _unwrapped(folder: Path) -> Path:
    """The only folder inside one without images, as archives often unpack (Set5/Set5/); else the folder itself."""
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    folders = [path for path in visible if path.is_dir()]
    return folders[0] if len(folders) == 1 and not any(is_image(path) for path in visible) else folder


def _side_by_side(folder: Path, scale: int, problems: list[str]) -> list[ImagePair]:
    """The pairs `<name>_HR` and `<name>_LR` of one folder; none where there is no such LR image."""
    by_scale = {path.name: path for path in folder.glob("image_SRF_*") if path.is_dir()}
    source = by_scale.get(f"image_SRF_{scale}")
    if by_scale and not source:
        raise UsageError(f"{folder}: no image_SRF_{scale} for x{scale}; there is {', '.join(sorted(by_scale))}")
    images = {path.stem: path for path in _images(source or folder)}
    names = [stem.removesuffix("_HR") for stem in images if stem.endswith("_HR")]
    if not any(f"{name}_LR" in images for name in names):
        return []
    pairs = [ImagePair(images[f"{name}_HR"].name, images[f"{name}_HR"], images.get(f"{name}_LR")) for name in names]
    _note_missing(pairs, source or folder, problems)
    return pairs


def _hr_folders(folder: Path, scale: int, evaluating: bool, problems: list[str]) -> list[Path]:
    """Where the HR images lie: in HR/, in the HR folders of several sets, or in the folder itself."""
    for name in _hr_names(scale):
        if (folder / name).is_dir():
            return [folder / name]
    sets = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.endswith("_HR"))
    validation = [path for path in sets if path.name.endswith(("_valid_HR", "_test_HR"))]
    training = [path for path in sets if path not in validation]
    wanted = (validation or training) if evaluating else (training or validation)
    if len(wanted) < len(sets):
        left_out = ", ".join(path.name for path in sets if path not in wanted)
        problems.append(f"{folder}: {left_out} left out, so that training and validation images do not mix")
    return wanted or [folder]


def _hr_names(scale: int) -> tuple[str, ...]:
    return ("HR", "GTmod12", f"GTmod{scale}")


def _pairs_of(source: Path, scale: int, prefix: str, problems: list[str]) -> list[ImagePair]:
    """The pairs of one HR folder; their LR folder lies beside it."""
    candidates: list[Path] = []
    if source.name in _hr_names(scale):
        names = (f"LRx{scale}", f"LR_bicubic/X{scale}", f"LRbicx{scale}", f"LR/X{scale}", f"LR/x{scale}")
        candidates = [source.parent / name for name in names]
    elif source.name.endswith("_HR"):
        candidates = [source.parent / f"{source.name.removesuffix('_HR')}_LR_bicubic" / f"X{scale}"]
    lr_folder = next((path for path in candidates if _images(path)), None)
    partners = {path.stem: path for path in _images(lr_folder)} if lr_folder else {}
    pairs = []
    for path in _images(source):
        stems = (path.stem, f"{path.stem}x{scale}", f"{path.stem}_x{scale}")
        lr = next((partners[stem] for stem in stems if stem in partners), None)
        pairs.append(ImagePair(prefix + path.name, path, lr))
    if lr_folder:
        _note_missing(pairs, lr_folder, problems)
    return pairs


def _note_missing(pairs: list[ImagePair], lr_folder: Path, problems: list[str]) -> None:
    alone = [pair.name for pair in pairs if pair.lr is None]
    if alone:
        problems.append(f"{lr_folder}: no LR image for {alone[0]}{_others(len(alone))}; made by bicubic downscaling")


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path)) if folder.is_dir() else []


def _others(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""


def _size(image: np.ndarray, divisor: int = 1) -> str:
    """Width x height, as image viewers say it."""
    return f"{image.shape[1] // divisor}x{image.shape[0] // divisor}"


def _allowed(scale: int) -> str:
    return (
        f"a folder with HR/ (and LRx{scale}/ or LR_bicubic/X{scale}/), in DIV2K's layout (*_HR/,"
        f" *_LR_bicubic/X{scale}/), with image_SRF_{scale}/,"
        f" or of images ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})"
    )
