"""Which images a job trains on and which it validates on: decided once, packed once, stated in words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from nas_sr.cache import cache_folder
from nas_sr.data import demo
from nas_sr.data.folders import ImagePair, find_pairs
from nas_sr.data.pack import FORMAT, Pack, Packed, Progress, Source, is_pack, open_packed, write_pack
from nas_sr.data.resize import crop_to_multiple, downscale
from nas_sr.errors import UsageError

_SMALLEST_VALIDATION_LR = 16  # less would be mostly the border that is not scored
_HELD_OUT_EVERY = 10
_MOST_HELD_OUT = 16


class ImageSets(NamedTuple):
    """Training and validation images that share nothing."""

    train: Pack
    val: Pack
    description: str
    problems: tuple[str, ...]  # one line for each image left out


def image_sets(
    data: str | None, val: str | None, scale: int, min_lr: int, progress: Progress | None = None
) -> ImageSets:
    """The images of a search or training.

    Without `data`: the demonstration set. Without `val`: one image in ten of `data` (1 to 16) is held out. Training
    images with a side under `min_lr` LR pixels are left out, and so are pictures that are also validated on.

    Raises:
        UsageError: a folder is missing or empty, a pack has another scale, or no usable image is left.
    """
    if data is None:
        validation = _packed("val", _demonstration("val", scale), scale, _SMALLEST_VALIDATION_LR, {}, None, progress)
        train = _packed("train", _demonstration("train", scale), scale, min_lr, {}, None, progress)
        return ImageSets(train.pack, validation.pack, demo.DESCRIPTION, (*train.problems, *validation.problems))
    folder = Path(data)
    notes: list[str] = []
    if val is not None:
        validation = _packed_folder(Path(val), scale, _SMALLEST_VALIDATION_LR, {}, progress, notes)
        where = f"{len(validation.pack)} images of {Path(val)}"
        pairs = None
    else:
        if is_pack(folder):
            raise UsageError(f"{folder}: a pack holds no validation images; give --val")
        found = find_pairs(folder, scale)
        notes += found.problems
        validation = _held_out(found.pairs, folder, scale, progress)
        pairs = [pair for pair in found.pairs if pair.name not in validation.pack.names]
        where = f"{len(validation.pack)} of its images, held out"
    seen = {entry.digest: entry.name for entry in validation.pack.entries}
    if pairs is None:
        train = _packed_folder(folder, scale, min_lr, seen, progress, notes)
    else:
        train = _packed("train", _sources(pairs, scale), scale, min_lr, seen, None, progress)
    description = f"trained on {len(train.pack)} images of {folder}, validated on {where}"
    problems = dict.fromkeys([*notes, *validation.problems, *train.problems])
    return ImageSets(train.pack, validation.pack, description, tuple(problems))


class _Described(NamedTuple):
    """A source, and what decides its pixels: files with sizes and times, or a digest."""

    source: Source
    identity: list[object]


def _sources(pairs: list[ImagePair], scale: int) -> list[_Described]:
    described = []
    for pair in pairs:
        files = [path for path in (pair.hr, pair.lr) if path]
        identity: list[object] = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        described.append(_Described((pair.name, lambda pair=pair: pair.read(scale)), identity))  # type: ignore[misc]
    return described


def _demonstration(role: demo.Role, scale: int) -> list[_Described]:
    described = []
    for name, image in demo.demonstration(role):
        whole = crop_to_multiple(image, scale)
        digest = hashlib.sha256(image.tobytes()).hexdigest()
        described.append(
            _Described((name, lambda whole=whole: (downscale(whole, scale), whole)), [digest])  # type: ignore[misc]
        )
    return described


def _held_out(pairs: list[ImagePair], folder: Path, scale: int, progress: Progress | None) -> Packed:
    """Every tenth image, spread over the folder; others step in for those that cannot be used."""
    if len(pairs) < 2:
        raise UsageError(f"{folder}: one image cannot be both trained and validated on; add images or give --val")
    count = min(_MOST_HELD_OUT, max(1, len(pairs) // _HELD_OUT_EVERY))
    chosen = [(2 * index + 1) * len(pairs) // (2 * count) for index in range(count)]
    order = [*chosen, *(index for index in range(len(pairs)) if index not in chosen)]
    sources = _sources([pairs[index] for index in order], scale)
    return _packed("val", sources, scale, _SMALLEST_VALIDATION_LR, {}, count, progress)


def _packed_folder(
    folder: Path, scale: int, min_lr: int, excluded: dict[str, str], progress: Progress | None, notes: list[str]
) -> Packed:
    if not is_pack(folder):
        found = find_pairs(folder, scale)
        notes += found.problems
        return _packed("folder", _sources(found.pairs, scale), scale, min_lr, excluded, None, progress)
    packed = open_packed(folder)
    if packed.pack.scale != scale:
        raise UsageError(f"{folder}: a pack for x{packed.pack.scale}, but the search space is x{scale}")
    if packed.pack.smallest_lr < min_lr:
        raise UsageError(f"{folder}: its smallest image has {packed.pack.smallest_lr} LR pixels; {min_lr} are needed")
    for entry in packed.pack.entries:
        if entry.digest in excluded:
            raise UsageError(f"{folder}: {entry.name} is also the validation image {excluded[entry.digest]}")
    return packed


def _packed(
    role: str,
    described: list[_Described],
    scale: int,
    min_lr: int,
    excluded: dict[str, str],
    at_most: int | None,
    progress: Progress | None,
) -> Packed:
    """The pack of these images, from the cache where it is known."""
    identity = [FORMAT, role, scale, min_lr, sorted(excluded), at_most, [one.identity for one in described]]
    folder = cache_folder("packs") / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    if is_pack(folder):
        return open_packed(folder)
    sources = [one.source for one in described]
    return write_pack(sources, scale, min_lr, folder, at_most=at_most, excluded=excluded, progress=progress)
