"""Where the HR and LR images of a set lie in the folder layouts that people have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nas_sr.data.images import IMAGE_SUFFIXES, is_image
from nas_sr.errors import UsageError

_HR, _LR = "_HR", "_LR"  # how the names of DIV2K's HR folder, and of files side by side, end
_BY_SCALE = "image_SRF_"


class ImageSet(NamedTuple):
    """The files of one set."""

    folder: Path  # of the HR images
    lr_folder: Path | None  # None without LR images
    pairs: list[tuple[Path, Path | None]]  # HR and, where there is one, LR; by the HR files' names
    lone_lr: list[Path]  # LR files whose HR file is missing


def hr_folders(folder: Path, scale: int) -> list[Path]:
    """The folders of HR images in `folder`: its sets', those one level down, or itself.

    Raises:
        UsageError: there are pairs side by side, but not for this scale.
        OSError: a folder cannot be listed.
    """
    found = _sets_in(folder, scale)
    if found or _images(folder):
        return found or [folder]
    inside = list(_folders(folder).values())
    deeper = [path for parent in inside for path in _sets_in(parent, scale)]
    # Archives often unpack into a folder of their own name: Set5/Set5/.
    return deeper or (inside if len(inside) == 1 else [folder])


def image_set(folder: Path, scale: int) -> ImageSet:
    """The images of one HR folder and, side by side with them or in a folder beside it, their LR images.

    Raises:
        OSError: a folder cannot be listed.
    """
    images = _images(folder)
    stems = {path.stem for path in images}
    in_pairs = any(stem.endswith(_HR) and stem.removesuffix(_HR) + _LR in stems for stem in stems)
    if in_pairs or folder.name.startswith(_BY_SCALE):
        hr = [path for path in images if path.stem.endswith(_HR)]
        lr_folder, lr = folder, [path for path in images if path.stem.endswith(_LR)]
    else:
        hr = images
        lr_folder, lr = next(
            ((path, found) for path in _lr_folders(folder, scale) if (found := _images(path))), (folder, [])
        )
    partners = {path.stem: path for path in lr}
    pairs = [(path, _taken(partners, path.stem, scale)) for path in hr]
    return ImageSet(folder, lr_folder if lr else None, pairs, list(partners.values()))


def set_folder(hr_folder: Path, scale: int) -> Path:
    """The folder whose name is the set's: that of the HR images says nothing in some layouts."""
    return hr_folder.parent if hr_folder.name in (*_hr_names(scale), f"{_BY_SCALE}{scale}") else hr_folder


def allowed(scale: int) -> str:
    """What a folder of images may be, in words."""
    return (
        f"a folder with HR/ (and LRx{scale}/ or LR_bicubic/X{scale}/), in DIV2K's layout (*_HR/,"
        f" *_LR_bicubic/X{scale}/), with {_BY_SCALE}{scale}/,"
        f" or of images ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})"
    )


def _sets_in(folder: Path, scale: int) -> list[Path]:
    inside = _folders(folder)
    for name in (*_hr_names(scale), f"{_BY_SCALE}{scale}"):
        if name in inside:
            return [inside[name]]
    by_scale = [name for name in inside if name.startswith(_BY_SCALE)]
    if by_scale:
        raise UsageError(f"{folder}: no {_BY_SCALE}{scale} for x{scale}; there is {', '.join(by_scale)}")
    return [path for name, path in inside.items() if name.endswith(_HR)]


def _hr_names(scale: int) -> tuple[str, ...]:
    """Of HR folders whose LR folder is beside them; GTmod: BasicSR's, cropped to a multiple."""
    return ("HR", "GTmod12", f"GTmod{scale}")


def _lr_folders(hr_folder: Path, scale: int) -> list[Path]:
    """Where the LR images of an HR folder may be, the likeliest first."""
    if hr_folder.name in _hr_names(scale):
        names = (f"LRx{scale}", f"LR_bicubic/X{scale}", f"LRbicx{scale}", f"LR/X{scale}", f"LR/x{scale}")
        return [hr_folder.parent / name for name in names]
    if hr_folder.name.endswith(_HR):
        return [hr_folder.parent / f"{hr_folder.name.removesuffix(_HR)}_LR_bicubic" / f"X{scale}"]
    return []


def _taken(partners: dict[str, Path], stem: str, scale: int) -> Path | None:
    """Takes the LR file of an HR file out of `partners`."""
    for name in (stem, f"{stem}x{scale}", f"{stem}_x{scale}", stem.removesuffix(_HR) + _LR):
        if name in partners:
            return partners.pop(name)
    return None


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path)) if folder.is_dir() else []


def _folders(folder: Path) -> dict[str, Path]:
    """The visible folders in one, by name."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: path for path in paths if path.is_dir()}
