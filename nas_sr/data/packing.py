"""Makes packs: all cores decode, one process writes, and a killed one is continued where it stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from nas_sr.callbacks import CountProgress
from nas_sr.data.images import UnreadableImage
from nas_sr.data.matching import Match, other_downscales
from nas_sr.data.origin import origin, refuse_another
from nas_sr.data.pack import Entry, Pack, is_pack, pixel_digest, reads_back
from nas_sr.data.unfinished import Unfinished, Written, clear
from nas_sr.data.workers import in_order
from nas_sr.errors import UsageError, WorkError

_HEADERS_AT_ONCE = 8


class Source(Protocol):
    """An image pair to be packed. It travels to worker processes, so it is small and can be pickled."""

    @property
    def name(self) -> str:
        """Its name in the pack."""

    def stamp(self) -> list[Any]:
        """What decides its pixels, without reading them; equal stamps are packed once."""

    def hr_pixels(self) -> int:
        """About how many HR pixels it has; 0 if that cannot be told."""

    def read_matching(self, scale: int) -> tuple[np.ndarray, np.ndarray, Match | None]:
        """LR and HR, and how LR agrees with HR where LR was not made here.

        Raises:
            UnreadableImage: they cannot be used as a pair.
        """


class How(NamedTuple):
    """How packs are made; none of it changes a pixel."""

    workers: int | None = None  # processes that decode; None: all cores, for more than a few images
    leave_out_bad: bool = True
    progress: CountProgress = lambda done, total: None
    waiting: Callable[[Path], None] = lambda folder: None  # called if another process is making the same pack


class Packed(NamedTuple):
    """A pack, how many of its images were decoded just now, and one line for each image that is not in it."""

    pack: Pack
    decoded: int

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each image that was left out, and one if LR files are not bicubic downscales."""
        return self.pack.problems


class BadImages(WorkError):
    """Images that cannot be packed; the others are kept for the next attempt."""

    def __init__(self, folder: Path, lines: list[str], total: int) -> None:
        super().__init__(
            f"{folder}: {len(lines)} of {total} images cannot be packed; the first: {lines[0]};"
            f" replace them and run again (the other {total - len(lines)} are done), or add --leave-out-bad"
        )
        self.lines = lines


def write_pack(
    sources: Sequence[Source],
    scale: int,
    min_lr: int,
    folder: Path,
    *,
    at_most: int | None = None,
    excluded: Mapping[str, str] = MappingProxyType({}),
    to_score: bool = False,
    next_to_it: Sequence[Source] = (),
    how: How = How(),  # noqa: B008 - immutable
) -> Packed:
    """The pack of these images in `folder`: opened if it is there, else made, else continued.

    Images with a side that is too short, pictures that came before, and excluded ones are left out and named. The
    pack depends on the sources alone, not on workers or interruptions; it appears when it is whole.

    Args:
        sources: the images, in order; names differ.
        scale: HR pixels for each LR pixel.
        min_lr: images with a shorter side, in LR pixels, are left out.
        folder: where the pack goes.
        at_most: stop after so many usable images.
        excluded: digests of HR pixels that must not be in it, and the name under which they are known.
        to_score: leave out images of one colour: a network restores them exactly, and an infinite PSNR hides the rest.
        next_to_it: images to be packed on the same disk afterwards; there must be room for them too.
        how: workers, progress, and whether images that cannot be read are left out or end it.

    Raises:
        UsageError: no image is left, or there is another pack or something else in `folder`.
        BadImages: images cannot be read, or their LR files do not match, and are not to be left out.
        WorkError: not enough room on the disk, or a worker was killed.
    """
    stamps = [json.dumps(source.stamp()) for source in sources]
    wanted = origin(stamps, scale, min_lr, at_most, excluded)
    if not is_pack(folder):
        _refuse_other_content(folder)
        with Unfinished(folder, scale, how.waiting) as unfinished:
            if not is_pack(folder):  # another process may have made it while this one waited
                _refuse_small_disk(unfinished, [*sources[:at_most], *next_to_it])
                making = _Making(unfinished, min_lr, excluded, to_score)
                tasks = [
                    _Task(source, scale, unfinished.folder, unfinished.written.get(stamp))
                    for source, stamp in zip(sources, stamps, strict=True)
                ]
                seen = making.run(tasks, stamps, at_most, how)
                if making.bad and not how.leave_out_bad:
                    raise BadImages(unfinished.folder, making.bad, seen)
                if not making.entries:
                    first = making.problems[0] if making.problems else "none"
                    raise UsageError(f"no usable image among {len(sources)}; the first: {first}")
                made_of = origin(stamps[:seen], scale, min_lr, at_most, excluded)
                unfinished.finish(making.entries, making.problems + making.remarks(), made_of)
                return Packed(Pack(folder), making.decoded)
    clear(folder)
    pack = Pack(folder)
    refuse_another(folder, wanted)
    return Packed(pack, 0)


class _Task(NamedTuple):
    """One image for a worker; `written` is where an earlier run put it."""

    source: Source
    scale: int
    folder: Path
    written: Written | None


class _Decoded(NamedTuple):
    """What a worker gives back; without pixels where the files hold them already."""

    entry: Entry
    bicubic_db: float | None
    lr: np.ndarray | None = None
    hr: np.ndarray | None = None
    one_colour: bool = False


def _decode(task: _Task) -> _Decoded | UnreadableImage:
    """Reads an image, or only checks that what an earlier run wrote is on the disk."""
    if task.written and reads_back(task.folder, task.scale, task.written.entry):
        return _Decoded(task.written.entry._replace(name=task.source.name), task.written.bicubic_db)
    try:
        lr, hr, match = task.source.read_matching(task.scale)
    except UnreadableImage as error:
        return error
    height, width = lr.shape[:2]
    entry = Entry(task.source.name, height, width, 0, pixel_digest(hr), pixel_digest(lr))
    one_colour = bool((hr[0] == hr[0, 0]).all() and (hr == hr[0]).all())
    return _Decoded(entry, match and match.bicubic_db, lr, hr, one_colour)


class _Making:
    """Goes through the images in order and decides which are in the pack."""

    def __init__(self, unfinished: Unfinished, min_lr: int, excluded: Mapping[str, str], to_score: bool) -> None:
        self._unfinished, self._min_lr, self._to_score = unfinished, min_lr, to_score
        self._known = {digest: f"the validation image {name}" for digest, name in excluded.items()}
        self._bicubic_db: dict[str, float] = {}
        self.entries: list[Entry] = []
        self.problems: list[str] = []
        self.bad: list[str] = []
        self.decoded = 0

    def run(self, tasks: list[_Task], stamps: list[str], at_most: int | None, how: How) -> int:
        """Packs what is not there yet; gives the number of images that were looked at."""
        seen = 0
        with closing(in_order(_decode, tasks, len(tasks[:at_most]), how.workers)) as results:
            while seen < len(tasks) and len(self.entries) != at_most:
                self._take(stamps[seen], next(results))
                seen += 1
                how.progress(seen, len(tasks))
        return seen

    def _take(self, stamp: str, result: _Decoded | UnreadableImage) -> None:
        if isinstance(result, UnreadableImage):
            self.bad.append(str(result))
            self.problems.append(str(result))
            return
        entry, bicubic_db, lr, hr, one_colour = result
        reason = self._reason_against(entry)
        if one_colour and self._to_score:
            reason = "of one colour, which is restored exactly and scores nothing"
        if reason:
            self.problems.append(f"{entry.name}: {reason}")
            return
        if lr is not None and hr is not None:
            entry = self._unfinished.add(stamp, entry, lr, hr, bicubic_db)
            self.decoded += 1
        self.entries.append(entry)
        self._known[entry.digest] = entry.name
        if bicubic_db is not None:
            self._bicubic_db[entry.name] = bicubic_db

    def _reason_against(self, entry: Entry) -> str | None:
        if min(entry.height, entry.width) < self._min_lr:
            scale = self._unfinished.scale
            least = self._min_lr * scale
            return f"{entry.width * scale}x{entry.height * scale} pixels; at least {least} a side are needed"
        if entry.digest in self._known:
            return f"the same picture as {self._known[entry.digest]}"
        return None

    def remarks(self) -> list[str]:
        """A line if LR files are downscales of another kind, which networks for bicubic images should not learn."""
        return other_downscales(self._bicubic_db)


def _refuse_other_content(folder: Path) -> None:
    """A pack takes the place of nothing but an empty folder."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already and is not a pack; choose another place")


def _refuse_small_disk(unfinished: Unfinished, sources: Sequence[Source]) -> None:
    """Counted by the files' headers, before anything is written."""
    missing = [source for source in sources if json.dumps(source.stamp()) not in unfinished.written]
    with ThreadPoolExecutor(_HEADERS_AT_ONCE) as pool:  # the time goes into waiting for the disk
        pixels = sum(pool.map(lambda source: source.hr_pixels(), missing))
    needed = 3 * pixels + 3 * pixels // unfinished.scale**2
    free = shutil.disk_usage(unfinished.folder).free
    if needed > free:
        raise WorkError(
            f"{unfinished.folder.parent}: {needed / 1e9:.2f} GB ({needed} bytes) are needed and {free / 1e9:.2f} GB"
            f" ({free} bytes) are free; make room, or choose another place"
        )
