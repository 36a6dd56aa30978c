"""Where the HR and LR images of a set lie in the folder layouts that people have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nas_sr.data.images import IMAGE_SUFFIXES, is_image
from nas_sr.data.name_marks import Mark, mark_of
from nas_sr.data.pairing import in_two_folders, side_by_side
from nas_sr.errors import UsageError

_BY_SCALE = "image_SRF_"
_VALIDATION = ("val", "valid", "validation", "test")
_WHOLE_NAMES = ("hr", "gtmod12")  # of HR folders without a set's name, the first to be taken; then others


class ImageSet(NamedTuple):
    """The files of one set."""

    folder: Path  # of the HR images
    lr_folder: Path | None  # None without LR images
    pairs: list[tuple[Path, Path | None]]  # HR and, where there is one, LR; by the HR files' names
    lone_lr: list[Path]  # LR files whose HR file is missing
    notes: list[str]

    def files(self) -> set[Path]:
        """All that are used or named."""
        return {path for pair in self.pairs for path in pair if path} | {*self.lone_lr}


def hr_folders(folder: Path, scale: int) -> list[Path]:
    """The folders of HR images in `folder`: its sets', those one level down, or itself.

    Raises:
        UsageError: there are pairs side by side, but not for this scale.
        OSError: a folder cannot be listed.
    """
    sets = _sets_in(folder, scale)
    if sets or _images(folder):
        return sets or [folder]
    inside = list(_folders(folder).values())
    deeper = [path for parent in inside for path in _sets_in(parent, scale)]
    # Archives often unpack into a folder of their own name: Set5/Set5/.
    return deeper or (inside if len(inside) == 1 else [folder])


def image_set(folder: Path, scale: int) -> ImageSet:
    """The images of one HR folder and, side by side with them or in a folder beside or inside it, their LR images.

    Raises:
        UsageError: names do not tell which images are HR, or belong together.
        OSError: a folder cannot be listed.
    """
    images = _images(folder)
    mark = _mark(folder, scale)
    if _is_lr(mark) and not any(mark_of(path.stem).role == "HR" for path in images):
        raise UsageError(f"{folder}: a folder of LR images by its name; name the folder that has the HR images")
    paired = side_by_side(folder, images, scale, folder_is_hr=mark.role == "HR")
    lr_folder = folder if paired.lone_lr or any(lr for _, lr in paired.pairs) else None
    if not any(lr for _, lr in paired.pairs):
        beside = next(((path, lr) for path in _lr_folders(folder, mark, scale) if (lr := _images(path))), None)
        if beside:
            lr_folder, lr = beside
            pairs, lone_lr, _ = in_two_folders([hr for hr, _ in paired.pairs], lr, scale)
            paired = paired._replace(pairs=pairs, lone_lr=[*paired.lone_lr, *lone_lr])
    return ImageSet(folder, lr_folder, *paired)


def is_validation(hr_folder: Path, scale: int) -> bool:
    """Whether an HR folder's name is that of a validation set: `DIV2K_valid_HR`, `HR_val`."""
    mark = _mark(hr_folder, scale)
    words = mark.key.casefold().replace("-", "_").split("_")
    return mark.role == "HR" and (words[-1] in _VALIDATION or words[0] in _VALIDATION)


def set_folder(hr_folder: Path, scale: int) -> Path:
    """The folder whose name is the set's: that of the HR images says nothing in some layouts."""
    if _only_factor(mark_of(hr_folder.name)):
        return set_folder(hr_folder.parent, scale)
    mark = mark_of(hr_folder.name)
    nameless = (mark.role == "HR" and not mark.key) or hr_folder.name == f"{_BY_SCALE}{scale}"
    return hr_folder.parent if nameless else hr_folder


def of_another_factor(folder: Path, scale: int) -> bool:
    """Whether a folder holds, by its name, LR images for another factor: it is known, and not missed."""
    mark = mark_of(folder.name)
    other_srf = folder.name.startswith(_BY_SCALE) and folder.name != f"{_BY_SCALE}{scale}"
    return other_srf or (_is_lr(mark) and not mark.fits(scale))


def lr_folders_of(hr_folder: Path, scale: int) -> list[Path]:
    """The folders beside an HR folder that hold, by their names, its LR images for any factor."""
    mark = _mark(hr_folder, scale)
    beside = ((path, mark_of(path.name)) for path in _folders_beside(hr_folder))
    return [path for path, lr in beside if lr.role == "LR" and lr.key.casefold() == mark.key.casefold()]


def allowed(scale: int) -> str:
    """What a folder of images may be, in words."""
    return (
        f"a folder with HR/ (and LRx{scale}/ or LR_bicubic/X{scale}/), in DIV2K's layout (*_HR/,"
        f" *_LR_bicubic/X{scale}/), with {_BY_SCALE}{scale}/,"
        f" or of images ({', '.join(suffix[1:] for suffix in IMAGE_SUFFIXES)})"
    )


def _sets_in(folder: Path, scale: int) -> list[Path]:
    inside = _folders(folder)
    marks = {name: mark_of(name) for name in inside}
    hr = [name for name, mark in marks.items() if mark.role == "HR" and mark.fits(scale)]
    nameless = sorted((name for name in hr if not marks[name].key), key=_rank)
    if nameless:
        return [_at_scale(inside[nameless[0]], scale)]
    by_scale = [name for name in inside if name.startswith(_BY_SCALE)]
    if f"{_BY_SCALE}{scale}" in by_scale:
        return [inside[f"{_BY_SCALE}{scale}"]]
    if by_scale:
        raise UsageError(f"{folder}: no {_BY_SCALE}{scale} for x{scale}; there is {', '.join(by_scale)}")
    return [_at_scale(inside[name], scale) for name in hr]


def _rank(name: str) -> tuple[int, str]:
    lower = name.casefold()
    return _WHOLE_NAMES.index(lower) if lower in _WHOLE_NAMES else len(_WHOLE_NAMES), name


def _lr_folders(hr_folder: Path, mark: Mark, scale: int) -> list[Path]:
    """Where the LR images of an HR folder may be, the likeliest first."""
    whole = hr_folder.parent if _only_factor(mark_of(hr_folder.name)) else hr_folder
    key = mark.key if mark.role == "HR" else whole.name
    places = [(path, key) for path in _folders_beside(whole)]
    if mark.role != "HR":
        places += [(path, "") for path in _folders(hr_folder).values()]
    found = []
    for path, wanted in places:
        lr = mark_of(path.name)
        if path != whole and lr.role == "LR" and lr.fits(scale) and lr.key.casefold() == wanted.casefold():
            found.append((lr.scale is None, not lr.bicubic, path.name, path))
    return [_at_scale(path, scale) for _, _, _, path in sorted(found)]


def _at_scale(folder: Path, scale: int) -> Path:
    """The folder inside that is named only after the factor (`X4`), where there is one; else the folder."""
    inside = (path for name, path in _folders(folder).items() if _only_factor(mark_of(name)) == scale)
    return next(inside, folder)


def _is_lr(mark: Mark) -> bool:
    """Whether a folder's name surely says LR: a factor at the end of another word does not."""
    return mark.role == "LR" and (mark.strong or not mark.key)


def _only_factor(mark: Mark) -> int | None:
    """The factor of a name that is nothing but one."""
    return mark.scale if mark.role == "LR" and not mark.strong and not mark.key else None


def _mark(hr_folder: Path, scale: int) -> Mark:
    """What a folder's name says, or its parent's where it is only `X4`."""
    mark = mark_of(hr_folder.name)
    return mark_of(hr_folder.parent.name) if _only_factor(mark) == scale else mark


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path)) if folder.is_dir() else []


def _folders(folder: Path) -> dict[str, Path]:
    """The visible folders in one, by name."""
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return {path.name: path for path in paths if path.is_dir()}


def _folders_beside(folder: Path) -> list[Path]:
    try:
        return list(_folders(folder.parent).values())
    except PermissionError:  # a user may read a folder in one that may not be listed
        return []
