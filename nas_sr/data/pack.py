"""A pack: image pairs decoded once into two memory-mapped files that every worker of a machine shares."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from nas_sr.data.images import UnreadableImage
from nas_sr.errors import UsageError
from nas_sr.files import write_json

FORMAT = 2
INDEX, HR, LR = "pack.json", "hr.bin", "lr.bin"

Progress = Callable[[int, int], None]
Source = tuple[str, Callable[[], tuple[np.ndarray, np.ndarray]]]  # a name, and what reads its LR and HR


class Entry(NamedTuple):
    """Where one pair lies; sizes in LR pixels."""

    name: str
    height: int
    width: int
    at: int  # LR pixels before it
    digest: str  # of the HR pixels


class Pack:
    """An opened pack. Images are read-only views into files, so any number of processes share one copy in memory."""

    def __init__(self, folder: Path) -> None:
        """Opens the pack in `folder`.

        Raises:
            UsageError: no pack there, cut short, or written by another version.
        """
        index = _read_index(folder)
        self.folder = folder
        self.scale: int = index["scale"]
        self.digest: str = index["digest"]  # of names and pixels
        self.entries = [Entry(*entry) for entry in index["entries"]]
        pixels = sum(entry.height * entry.width for entry in self.entries)
        self._lr = _mapped(folder / LR, pixels * 3)
        self._hr = _mapped(folder / HR, pixels * 3 * self.scale**2)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images, in order."""
        return tuple(entry.name for entry in self.entries)

    @functools.cached_property
    def smallest_lr(self) -> int:
        """The shortest side of any image, LR pixels."""
        return min(min(entry.height, entry.width) for entry in self.entries)

    def lr(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (h, w, 3)."""
        entry = self.entries[index]
        size = entry.height * entry.width * 3
        return self._lr[entry.at * 3 : entry.at * 3 + size].reshape(entry.height, entry.width, 3)

    def hr(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (scale * h, scale * w, 3)."""
        entry, area = self.entries[index], self.scale**2
        start, size = entry.at * 3 * area, entry.height * entry.width * 3 * area
        return self._hr[start : start + size].reshape(entry.height * self.scale, entry.width * self.scale, 3)


class Packed(NamedTuple):
    """A pack and one line for each image that is not in it."""

    pack: Pack
    problems: tuple[str, ...]


def write_pack(
    sources: Sequence[Source],
    scale: int,
    min_lr: int,
    folder: Path,
    *,
    at_most: int | None = None,
    excluded: Mapping[str, str] = MappingProxyType({}),
    progress: Progress | None = None,
) -> Packed:
    """Packs images one at a time, leaving out and naming those that cannot be used.

    The pack appears as `folder` when it is whole; another process that made it meanwhile is fine.

    Args:
        sources: the images, in order.
        scale: HR pixels for each LR pixel.
        min_lr: images with a shorter side, in LR pixels, are left out.
        folder: where the pack goes.
        at_most: stop after so many usable images.
        excluded: digests of HR pixels that must not be in it, and the name under which they are known.
        progress: told (done, total).

    Raises:
        UsageError: no image is left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    building.chmod(0o755)
    entries: list[Entry] = []
    problems: list[str] = []
    digest = hashlib.sha256(str(scale).encode())
    at = 0
    try:
        with (building / LR).open("wb") as lr_file, (building / HR).open("wb") as hr_file:
            for done, (name, read) in enumerate(sources, start=1):
                if len(entries) == at_most:
                    break
                try:
                    lr, hr = read()
                    own = hashlib.sha256(np.ascontiguousarray(hr).data).hexdigest()[:16]
                    _check_usable(name, hr, own, min_lr * scale, excluded)
                except (UnreadableImage, Unusable) as error:
                    problems.append(str(error))
                else:
                    height, width = lr.shape[:2]
                    entries.append(Entry(name, height, width, at, own))
                    at += height * width
                    for file, image in ((lr_file, lr), (hr_file, hr)):
                        pixels = np.ascontiguousarray(image)
                        file.write(pixels.data)
                        digest.update(pixels.data)
                    digest.update(name.encode())
                if progress:
                    progress(done, len(sources))
        if not entries:
            raise UsageError(f"no usable image among {len(sources)}; the first: {problems[0] if problems else 'none'}")
        index = {
            "format": FORMAT,
            "scale": scale,
            "digest": digest.hexdigest()[:16],
            "entries": entries,
            "problems": problems,
        }
        write_json(building / INDEX, index)
        try:
            building.rename(folder)
        except OSError:
            if not (folder / INDEX).is_file():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Packed(Pack(folder), tuple(problems))


def open_packed(folder: Path) -> Packed:
    """An existing pack, with what was left out when it was made."""
    return Packed(Pack(folder), tuple(_read_index(folder).get("problems", ())))


def is_pack(folder: Path) -> bool:
    """Whether a folder says it is a pack."""
    return (folder / INDEX).is_file()


class Unusable(Exception):
    """An image that can be read and still must not be in the pack."""


def _check_usable(name: str, hr: np.ndarray, digest: str, min_hr: int, excluded: Mapping[str, str]) -> None:
    if min(hr.shape[:2]) < min_hr:
        raise Unusable(f"{name}: {hr.shape[1]}x{hr.shape[0]} pixels; at least {min_hr} a side are needed")
    if digest in excluded:
        raise Unusable(f"{name}: the same picture as the validation image {excluded[digest]}")


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text())
        found = index["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: not a pack: {INDEX}: {error}") from None
    if found != FORMAT:
        raise UsageError(f"{folder}: pack of format {found}; this version reads {FORMAT}: pack the images anew")
    return index


def _mapped(path: Path, size: int) -> np.ndarray:
    found = path.stat().st_size if path.is_file() else 0
    if found != size:
        raise UsageError(f"{path}: {found} bytes where the index says {size}: cut short; delete the pack's folder")
    return np.memmap(path, np.uint8, mode="r")
