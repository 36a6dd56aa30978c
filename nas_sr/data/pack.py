"""A pack: image pairs decoded once into two memory-mapped files that every worker of a machine shares."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_sr.digest import digest
from nas_sr.errors import UsageError

FORMAT = 3
INDEX, HR, LR = "pack.json", "hr.bin", "lr.bin"


class Entry(NamedTuple):
    """Where one pair lies; sizes in LR pixels."""

    name: str
    height: int
    width: int
    at: int  # LR pixels before it
    digest: str  # of the HR pixels
    lr_digest: str

    @property
    def until(self) -> int:
        """LR pixels up to its end."""
        return self.at + self.height * self.width


class Pack:
    """An opened pack. Images are read-only views into files, so any number of processes share one copy in memory."""

    def __init__(self, folder: Path) -> None:
        """Opens the pack in `folder`.

        Raises:
            UsageError: no pack there, cut short, or written by another version.
        """
        index = read_index(folder)
        self.folder = folder
        try:
            self.scale: int = index["scale"]
            self.digest: str = index["digest"]  # of names and pixels
            self.problems: tuple[str, ...] = tuple(index["problems"])  # one line for each image that is not in it
            self.entries = [Entry(*entry) for entry in index["entries"]]
            self.pixels = max(entry.until for entry in self.entries)  # LR pixels in the files
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{folder}: not a pack: {INDEX}: {error!r}") from None
        self._lr = _mapped(folder / LR, self.pixels * 3)
        self._hr = _mapped(folder / HR, self.pixels * 3 * self.scale**2)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images, in order."""
        return tuple(entry.name for entry in self.entries)

    @property
    def size(self) -> int:
        """Bytes of all pixels."""
        return self._lr.size + self._hr.size

    @functools.cached_property
    def smallest_lr(self) -> int:
        """The shortest side of any image, LR pixels."""
        return min(min(entry.height, entry.width) for entry in self.entries)

    @property
    def flat_lr(self) -> np.ndarray:
        """All LR pixels, uint8 (pixels, 3); an image begins at its entry's `at`."""
        return self._lr.reshape(-1, 3)

    @property
    def flat_hr(self) -> np.ndarray:
        """All HR pixels, uint8 (scale * scale * pixels, 3)."""
        return self._hr.reshape(-1, 3)

    def lr(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (h, w, 3)."""
        entry = self.entries[index]
        return self._lr[entry.at * 3 : entry.until * 3].reshape(entry.height, entry.width, 3)

    def hr(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (scale * h, scale * w, 3)."""
        entry, area = self.entries[index], 3 * self.scale**2
        pixels = self._hr[entry.at * area : entry.until * area]
        return pixels.reshape(entry.height * self.scale, entry.width * self.scale, 3)


def is_pack(folder: Path) -> bool:
    """Whether a folder says it is a pack."""
    return (folder / INDEX).is_file()


def pixel_digest(pixels: np.ndarray | bytes) -> str:
    """Names an image by its bytes, in reading order."""
    data = pixels if isinstance(pixels, bytes) else np.ascontiguousarray(pixels).data
    return hashlib.sha256(data).hexdigest()[:16]


def pack_digest(scale: int, entries: Iterable[Entry]) -> str:
    """Names a pack by its images' names, order and pixels, wherever they lie in its files."""
    content = [scale, [(entry.name, entry.digest, entry.lr_digest) for entry in entries]]
    return digest(content, 16)


def reads_back(folder: Path, scale: int, entry: Entry) -> bool:
    """Whether the files in `folder` hold the pixels that the entry's digests name; reads them from disk."""
    for name, area, named in ((LR, 3, entry.lr_digest), (HR, 3 * scale**2, entry.digest)):
        try:
            with (folder / name).open("rb") as file:
                file.seek(entry.at * area)
                if pixel_digest(file.read((entry.until - entry.at) * area)) != named:
                    return False
        except OSError:
            return False
    return True


def read_index(folder: Path) -> dict[str, Any]:
    """The plain values that describe a pack.

    Raises:
        UsageError: no pack there, or one of another version.
    """
    try:
        index: dict[str, Any] = json.loads((folder / INDEX).read_text())
        format_ = index["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder}: not a pack: {INDEX}: {error}") from None
    if format_ != FORMAT:
        raise UsageError(f"{folder}: pack of format {format_}; this version reads {FORMAT}: pack the images anew")
    return index


def _mapped(path: Path, size: int) -> np.ndarray:
    found = path.stat().st_size if path.is_file() else 0
    if found != size:
        raise UsageError(f"{path}: {found} bytes where the index says {size}: cut short; delete the pack's folder")
    return np.memmap(path, np.uint8, mode="r")
