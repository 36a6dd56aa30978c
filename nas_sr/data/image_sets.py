"""Which images a job trains on and which it validates on: decided once, packed once, stated in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nas_sr.cache import cache_folder
from nas_sr.callbacks import CountProgress
from nas_sr.data import demo
from nas_sr.data.folders import find_pairs
from nas_sr.data.pack import FORMAT, Pack
from nas_sr.data.packing import How, Source
from nas_sr.data.prepare import prepared_pack
from nas_sr.data.splits import (
    SMALLEST_VALIDATION_LR,
    Place,
    Role,
    held_out_count,
    pack_held_out,
    pack_validation,
    pack_without,
)
from nas_sr.digest import digest
from nas_sr.errors import UsageError


class ImageSets(NamedTuple):
    """Training and validation images that share nothing."""

    train: Pack
    val: Pack
    description: str
    problems: tuple[str, ...]  # one line for each image left out


def image_sets(
    data: str | None, val: str | None, scale: int, min_lr: int, progress: CountProgress | None = None
) -> ImageSets:
    """The images of a search or training, from packs: prepared ones, or made here and kept in the cache.

    Without `data`: the demonstration set. Without `val`: the validation images of a prepared pack, else one image in
    ten of `data` (1 to 16). Training images with a side under `min_lr` LR pixels are left out, and so are pictures
    that are also validated on.

    Raises:
        UsageError: a folder is missing or empty, a pack does not fit the job, or no usable image is left.
        WorkError: there is no room for the packs.
    """
    how = How(progress=progress) if progress else How()
    if data is None:
        return _demonstration(scale, min_lr, how)
    folder = Path(data)
    notes: list[str] = []
    prepared = prepared_pack(folder, "train")
    if val is None and prepared:
        val = str(_prepared_validation(folder))
    if val is not None:
        validation = _validation(Path(val), scale, how, notes)
        where = f"{len(validation)} images of {Path(val)}"
    if prepared:
        train = _fitting(prepared, scale, min_lr, validation)
    else:
        pairs = find_pairs(folder, scale)
        notes += pairs.problems
        place = _in_cache(folder, scale, min_lr)
        sources: Sequence[Source] = pairs.pairs
        if val is None:
            if len(sources) < 2:
                raise UsageError(f"{folder}: one image cannot be trained and validated on; add images or give --val")
            held_out, sources = pack_held_out(sources, held_out_count(len(sources)), scale, place, how)
            validation = held_out.pack
            where = f"{len(validation)} of its images, held out"
        train = pack_without(validation, sources, scale, min_lr, place, how).pack
    description = f"trained on {len(train)} images of {folder}, validated on {where}"
    problems = dict.fromkeys([*notes, *validation.problems, *train.problems])
    return ImageSets(train, validation, description, tuple(problems))


def _demonstration(scale: int, min_lr: int, how: How) -> ImageSets:
    place = _in_cache(Path("demonstration"), scale, min_lr)
    val = pack_validation(demo.sources("val"), scale, place, how)
    train = pack_without(val.pack, demo.sources("train"), scale, min_lr, place, how)
    return ImageSets(train.pack, val.pack, demo.DESCRIPTION, (*train.problems, *val.problems))


def _prepared_validation(folder: Path) -> Path:
    pack = prepared_pack(folder, "val")
    if pack is None or pack == prepared_pack(folder, "train"):
        raise UsageError(f"{folder}: a pack without validation images; give --val")
    return pack


def _validation(folder: Path, scale: int, how: How, notes: list[str]) -> Pack:
    prepared = prepared_pack(folder, "val")
    if prepared:
        return _fitting(prepared, scale, SMALLEST_VALIDATION_LR)
    pairs = find_pairs(folder, scale, evaluating=True)
    notes += pairs.problems
    return pack_validation(pairs.pairs, scale, _in_cache(folder, scale, 1), how).pack


def _fitting(folder: Path, scale: int, min_lr: int, validation: Pack | None = None) -> Pack:
    """An existing pack, if it is of this scale, large enough everywhere, and apart from the validation images."""
    pack = Pack(folder)
    if pack.scale != scale:
        raise UsageError(f"{folder}: a pack for x{pack.scale}, but x{scale} is needed")
    if pack.smallest_lr < min_lr:
        raise UsageError(f"{folder}: its smallest image has {pack.smallest_lr} LR pixels; {min_lr} are needed")
    seen = {entry.digest: entry.name for entry in validation.entries} if validation else {}
    for entry in pack.entries:
        if entry.digest in seen:
            raise UsageError(f"{folder}: {entry.name} is also the validation image {seen[entry.digest]}")
    return pack


def _in_cache(folder: Path, scale: int, min_lr: int) -> Place:
    """A place for each pack that is made from `folder`, found again while its files do not change."""

    def place(role: Role, sources: Sequence[Source], kept_out: Mapping[str, str]) -> Path:
        stamps = [source.stamp() for source in sources]
        identity = [FORMAT, str(folder.resolve()), role, scale, min_lr, sorted(kept_out), stamps]
        return cache_folder("packs") / digest(identity, 16)

    return place
