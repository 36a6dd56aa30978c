"""Which HR and LR files belong together, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from nas_sr.data.name_marks import Role, mark_of
from nas_sr.errors import UsageError

_ANY_CASE = 3  # the last of the ways in which names are compared


class Paired(NamedTuple):
    """What became of the images of one or two folders; those in none of the lists are passed over."""

    pairs: list[tuple[Path, Path | None]]  # HR and, where there is one, LR; by the HR files' names
    lone_lr: list[Path]  # LR files whose HR file is missing
    notes: list[str]


def in_two_folders(hr: list[Path], lr: list[Path], scale: int) -> Paired:
    """Pairs the files of an HR folder and of an LR folder. LR files whose names have another factor are passed over.

    Raises:
        UsageError: several files have a claim to one partner.
    """
    partners = _partners(hr, lr, scale)
    lone = [path for path in _without(lr, partners) if _fits(path, scale)]
    return Paired([(path, partners.get(path)) for path in hr], lone, [])


def side_by_side(folder: Path, images: list[Path], scale: int, folder_is_hr: bool) -> Paired:
    """Pairs the images of one folder.

    Names without a mark are HR where no name has HR's. Where some have, those without are partners of LR files that
    have no other, or passed over beside pairs and as results of other methods (`img_HR`, `img_LR`, `img_SRCNN`); in a
    folder that is HR by its own name they are HR.

    Raises:
        UsageError: only some names are marked as HR, and nothing tells what the others are; all are LR; or several
            files have a claim to one partner.
    """
    marks = {path: mark_of(path.stem) for path in images}
    named_hr = [path for path in images if marks[path].role == "HR" and marks[path].fits(scale)]
    plain = [path for path in images if marks[path].role is None]
    keys = {marks[path].key.casefold() for path in (*named_hr, *plain)}
    named_lr: list[Path] = []
    factor_only: list[Path] = []
    for path in images:
        mark = marks[path]
        if mark.role == "LR" and folder_is_hr and not mark.strong and mark.key.casefold() not in keys:
            factor_only.append(path)  # which says less than the folder
        elif mark.role == "LR" and mark.fits(scale):
            named_lr.append(path)
    plain += factor_only
    partners = _partners(named_hr, named_lr, scale)
    partners |= _partners(plain, _without(named_lr, partners), scale)
    hr = sorted({*named_hr, *partners})
    left = sorted(path for path in plain if path not in partners)
    notes = []
    if not named_hr:
        hr = sorted([*hr, *left])
    elif folder_is_hr and not named_lr and left:
        hr = sorted([*hr, *left])
        notes.append(f"{len(named_hr)} of {len(hr)} names are marked as HR; all are taken as HR, as the folder is")
    elif left and not partners and not all(_is_result(path.stem, [marks[hr].key for hr in named_hr]) for path in left):
        raise UsageError(
            f"{folder}: {len(named_hr)} images are named as HR ({named_hr[0].name}) and {len(left)} are not"
            f" ({left[0].name}); mark all HR images or none, and move others away"
        )
    if factor_only and len(factor_only) < len(hr):
        named = f"{len(factor_only)} of {len(hr)} names are those of LR images ({factor_only[0].name})"
        notes.append(f"{named}; all are taken as HR, as the folder is")
    if images and not hr:
        raise UsageError(
            f"{folder}: its {len(images)} images are named as LR or for another factor ({images[0].name}), and none is"
            f" HR for x{scale}; name the folder that has the HR images"
        )
    return Paired([(path, partners.get(path)) for path in hr], _without(named_lr, partners), notes)


def _without(lr: list[Path], partners: dict[Path, Path]) -> list[Path]:
    taken = {*partners.values()}
    return [path for path in lr if path not in taken]


def _fits(path: Path, scale: int) -> bool:
    mark = mark_of(path.stem)
    return mark.role != "LR" or mark.fits(scale)


def _is_result(stem: str, keys: list[str]) -> bool:
    """Whether a name is that of a picture and a word behind it."""
    return any(stem.startswith(key) and not stem[len(key) :][:1].isalnum() and stem != key for key in keys)


def _partners(hr: list[Path], lr: list[Path], scale: int) -> dict[Path, Path]:
    """LR by HR: by whole name, by stem, by stem without marks, and by that in any case, the surest first."""
    found: dict[Path, Path] = {}
    for level in range(_ANY_CASE + 1):
        taken = {*found.values()}
        # Of one name, a factor in it is no mark; else it must be the right one.
        free = [path for path in lr if path not in taken and (level < 2 or _fits(path, scale))]
        if not free:
            break
        claims = _by_name((path for path in hr if path not in found), "HR", level)
        for name, offered in _by_name(free, "LR", level).items():
            claiming = claims.get(name, [])
            if len(claiming) > 1 or (claiming and len(offered) > 1):
                raise UsageError(
                    f"{offered[0].parent}: {_listed(offered)} could belong to {_listed(claiming)};"
                    " leave one of each, or give them different names"
                )
            if claiming:
                found[claiming[0]] = offered[0]
    return found


def _by_name(paths: Iterable[Path], role: Role, level: int) -> dict[str, list[Path]]:
    grouped: dict[str, list[Path]] = {}
    for path in paths:
        name = path.stem if level else path.name
        if level > 1 and (mark := mark_of(name)).role == role:
            name = mark.key
        grouped.setdefault(name.casefold() if level == _ANY_CASE else name, []).append(path)
    return grouped


def _listed(paths: list[Path]) -> str:
    return " and ".join(path.name for path in paths[:3])
