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
    images with a side under `min_lr` LR pixels are left out.

    Raises:
        UsageError: a folder is missing or empty, a pack has another scale, or no usable image is left.
    """
    if data is None:
        train, validation = (_packed_demonstration(role, scale, min_lr, progress) for role in ("train", "val"))
        return ImageSets(train.pack, validation.pack, demo.DESCRIPTION, (*train.problems, *validation.problems))
    folder = Path(data)
    if val is None:
        if is_pack(folder):
            raise UsageError(f"{folder}: a pack holds no validation images; give --val")
        found = find_pairs(folder, scale)
        held_out = _held_out(found.pairs, folder)
        train = _packed_pairs([pair for pair in found.pairs if pair not in held_out], scale, min_lr, progress)
        validation = _packed_pairs(held_out, scale, 1, progress)
        where = f"{len(validation.pack)} of its images, held out"
        notes = found.problems
    else:
        train, notes = _packed_folder(folder, scale, min_lr, progress)
        validation, more = _packed_folder(Path(val), scale, 1, progress)
        where = f"{len(validation.pack)} images of {Path(val)}"
        notes = [*notes, *more]
        if train.pack.digest == validation.pack.digest:
            raise UsageError(f"{data} and {val} hold the same images; validation must not see training images")
    description = f"trained on {len(train.pack)} images of {folder}, validated on {where}"
    return ImageSets(train.pack, validation.pack, description, (*notes, *train.problems, *validation.problems))


def _held_out(pairs: list[ImagePair], folder: Path) -> list[ImagePair]:
    """Every tenth image, spread over the list; always the same ones."""
    if len(pairs) < 2:
        raise UsageError(f"{folder}: one image cannot be both trained and validated on; add images or give --val")
    count = min(_MOST_HELD_OUT, max(1, len(pairs) // _HELD_OUT_EVERY))
    return [pairs[(2 * index + 1) * len(pairs) // (2 * count)] for index in range(count)]


def _packed_folder(folder: Path, scale: int, min_lr: int, progress: Progress | None) -> tuple[Packed, list[str]]:
    if is_pack(folder):
        packed = open_packed(folder)
        if packed.pack.scale != scale:
            raise UsageError(f"{folder}: a pack for x{packed.pack.scale}, but the search space is x{scale}")
        if packed.pack.smallest_lr < min_lr:
            raise UsageError(
                f"{folder}: its smallest image has {packed.pack.smallest_lr} LR pixels; crops need {min_lr}"
            )
        return packed, []
    found = find_pairs(folder, scale)
    return _packed_pairs(found.pairs, scale, min_lr, progress), found.problems


def _packed_pairs(pairs: list[ImagePair], scale: int, min_lr: int, progress: Progress | None) -> Packed:
    def read(pair: ImagePair) -> Source:
        return pair.name, lambda: pair.read(scale)

    files = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for pair in pairs for path in pair[1:] if path]
    target = _cached(["folder", scale, min_lr, files])
    if is_pack(target):
        return open_packed(target)
    return write_pack(map(read, pairs), len(pairs), scale, min_lr, target, progress)


def _packed_demonstration(role: demo.Role, scale: int, min_lr: int, progress: Progress | None) -> Packed:
    photographs = demo.demonstration(role)
    limit = min_lr if role == "train" else 1
    pixels = [[name, hashlib.sha256(image.tobytes()).hexdigest()] for name, image in photographs]
    target = _cached(["demonstration", scale, limit, pixels])
    if is_pack(target):
        return open_packed(target)
    sources = [
        (name, lambda image=image: (downscale(image, scale), crop_to_multiple(image, scale)))
        for name, image in photographs
    ]
    return write_pack(sources, len(sources), scale, limit, target, progress)


def _cached(what: list[object]) -> Path:
    digest = hashlib.sha256(json.dumps([FORMAT, *what]).encode()).hexdigest()[:16]
    return cache_folder("packs") / digest
