"""Packs image folders once and for all, into a folder that `--data` takes: PACK/train and, with them, PACK/val."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nas_sr.data.folders import find_all_pairs, find_pairs
from nas_sr.data.pack import is_pack
from nas_sr.data.packing import How, Packed, Source, write_pack
from nas_sr.data.splits import Role, held_out_count, pack_held_out, pack_validation, pack_without
from nas_sr.errors import UsageError
from nas_sr.files import writable_folder

TRAIN, VAL = "train", "val"
MIN_LR = 16  # LR pixels: the crop of the default training


class Prepared(NamedTuple):
    """The packs, and one line for each thing a user should know about the folders they were made from."""

    train: Packed
    val: Packed | None
    notes: list[str]


def prepared_pack(folder: Path, role: str) -> Path | None:
    """Where the pack of this role is, in a prepared folder or in one that is a pack itself; None in other folders.

    Raises:
        UsageError: the folder was not prepared to its end.
    """
    if is_pack(folder):
        return folder
    packs = [folder / name for name in (VAL, TRAIN) if is_pack(folder / name)]
    if packs and not is_pack(folder / TRAIN):
        raise UsageError(f"{folder}: not prepared to its end; give the same `nas-sr data prepare` again")
    if not packs:
        return None
    return packs[0] if role == VAL else folder / TRAIN


def prepare(
    folders: Sequence[Path],
    out: Path,
    scale: int,
    *,
    val: int | None = None,
    val_data: Path | None = None,
    min_lr: int = MIN_LR,
    how: How = How(leave_out_bad=False),  # noqa: B008 - immutable
) -> Prepared:
    """Packs the images of all `folders`, continuing what an interrupted call left, and never over other packs.

    Args:
        folders: in the layouts of `find_pairs`.
        out: the folder for the packs.
        scale: HR pixels for each LR pixel.
        val: images held out for validation; 0 for none, None for one in ten, 1 to 16.
        val_data: the folder of all validation images, instead.
        min_lr: training images with a shorter side, in LR pixels, are left out.
        how: workers, progress, and whether images that cannot be used are left out or end it.

    Raises:
        UsageError: no images, or something else lies in `out`.
        BadImages: images that cannot be read, or whose LR file does not match. All others are done; where validation
            images are bad, which come first, only these.
        WorkError: not enough room, or a worker was killed.
    """
    pairs = find_all_pairs(folders, scale)
    sources: Sequence[Source] = pairs.pairs
    notes = list(pairs.problems)
    count = 0 if val_data else held_out_count(len(sources)) if val is None else val
    if count >= len(sources):
        raise UsageError(f"{count} of {len(sources)} images cannot be held out: none would be left to train on")
    _refuse_other_content(out, with_val=bool(count or val_data))
    writable_folder(out)

    def place(role: Role, sources: Sequence[Source], kept_out: Mapping[str, str]) -> Path:
        return out / (TRAIN if role == "train" else VAL)

    if val_data:
        validation = find_pairs(val_data, scale, evaluating=True)
        notes += validation.problems
        packed = pack_validation(validation.pairs, scale, place, how, next_to_it=sources)
    elif count:
        packed, sources = pack_held_out(sources, count, scale, place, how)
    else:
        return Prepared(write_pack(sources, scale, min_lr, out / TRAIN, how=how), None, notes)
    return Prepared(pack_without(packed.pack, sources, scale, min_lr, place, how), packed, notes)


def _refuse_other_content(out: Path, with_val: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is a file; choose another --out")
    inside = sorted(path.name for path in out.iterdir()) if out.exists() else []
    other = [name for name in inside if name not in (TRAIN, VAL, f".{TRAIN}.part", f".{VAL}.part")]
    if other:
        raise UsageError(f"{out}: holds other things ({other[0]}); choose another --out")
    if not with_val and is_pack(out / VAL):
        raise UsageError(f"{out}: has validation images, and none are wanted now; delete it, or choose another --out")
