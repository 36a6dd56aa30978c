"""A pack while it grows: images are only ever added, and a journal says which are there.

Nothing is trusted that the journal does not name, and the journal is written last. So a process that is killed at any
moment leaves a folder from which another one goes on: it overwrites what follows the journal's last image.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np

from nas_sr.data.origin import ORIGIN
from nas_sr.data.pack import FORMAT, HR, INDEX, LR, Entry, is_pack, pack_digest
from nas_sr.device_program.file_lock import lock, try_lock
from nas_sr.errors import UsageError, WorkError
from nas_sr.files import is_file_at, write_json

_JOURNAL, _LOCK = "packed.jsonl", "lock"


class Written(NamedTuple):
    """An image that the files hold."""

    entry: Entry
    bicubic_db: float | None  # what its LR file is against the bicubic downscale; None where LR was made here


class Unfinished:
    """The folder beside a pack-to-be in which it grows. A context manager; one process at a time holds it."""

    def __init__(self, pack: Path, scale: int, waiting: Callable[[Path], None]) -> None:
        """`waiting` is called once if another process holds it."""
        self._pack, self.scale, self._waiting = pack, scale, waiting
        self.folder = pack.with_name(f".{pack.name}.part")
        self.written: dict[str, Written] = {}  # by stamp
        self._end = 0  # LR pixels in the files
        self._noted = 0  # bytes of the journal
        self._open = ExitStack()

    def __enter__(self) -> Unfinished:
        """Takes the folder, and reads what an earlier process left in it.

        Raises:
            UsageError: it is of another version or scale.
        """
        try:
            self._hold()
            if not is_pack(self._pack):
                self._continue()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.written:  # there is nothing in it to keep
            shutil.rmtree(self.folder, ignore_errors=True)
        self._open.close()

    def add(self, stamp: str, entry: Entry, lr: np.ndarray, hr: np.ndarray, bicubic_db: float | None) -> Entry:
        """Writes an image behind the others and gives its entry.

        Raises:
            WorkError: the disk is full or failing; what was added before is kept.
        """
        entry = entry._replace(at=self._end)
        try:
            for file, image, area in ((self._lr, lr, 1), (self._hr, hr, self.scale**2)):
                _write(file, np.ascontiguousarray(image).data.cast("B"), entry.at * 3 * area)
            self._note({"stamp": stamp, "entry": entry, "bicubic_db": bicubic_db})
        except OSError as error:
            raise WorkError(
                f"{self.folder}: {error.strerror}; {len(self.written)} images are packed and kept:"
                " make room and run again"
            ) from None
        self._end = entry.until
        self.written[stamp] = Written(entry, bicubic_db)
        return entry

    def finish(self, entries: list[Entry], problems: Iterable[str], origin: dict[str, Any]) -> None:
        """Makes it a pack of these entries."""
        end = max(entry.until for entry in entries)
        for file, area in ((self._lr, 1), (self._hr, self.scale**2)):
            file.truncate(end * 3 * area)
            os.fsync(file.fileno())
        write_json(self.folder / ORIGIN, origin)
        index = {
            "format": FORMAT,
            "scale": self.scale,
            "digest": pack_digest(self.scale, entries),
            "entries": entries,
            "problems": list(problems),
        }
        write_json(self.folder / INDEX, index)
        self.folder.rename(self._pack)
        clear(self._pack)

    def _hold(self) -> None:
        """Takes the lock of the folder that is there now: the one that was waited for may have become the pack."""
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                file = (self.folder / _LOCK).open("ab")
            except FileNotFoundError:  # became the pack just now
                continue
            if not try_lock(file):
                self._waiting(self.folder)
                self._waiting = lambda folder: None
                lock(file)
            if is_file_at(file, self.folder / _LOCK):
                self._open.enter_context(file)
                return
            file.close()

    def _continue(self) -> None:
        journal = self.folder / _JOURNAL
        lines = journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else []  # the last one may be half a line
        mine = {"format": FORMAT, "scale": self.scale}
        found = _parsed(lines[0]) if lines else mine
        if found != mine:
            raise UsageError(
                f"{self.folder}: an unfinished pack of format {found.get('format')} and scale {found.get('scale')},"
                f" not {FORMAT} and {self.scale}; delete it, or choose another place"
            )
        good = lines[:1]
        for line in lines[1:]:
            values = _parsed(line)
            if values.keys() != {"stamp", "entry", "bicubic_db"}:
                break
            entry = Entry(*values["entry"])
            self.written[values["stamp"]] = Written(entry, values["bicubic_db"])
            self._end = entry.until
            good.append(line)
        self._lr, self._hr, self._journal = (self._opened(name) for name in (LR, HR, _JOURNAL))
        self._noted = sum(len(line) + 1 for line in good)
        self._journal.truncate(self._noted)
        if not good:
            self._note(mine)

    def _opened(self, name: str) -> IO[bytes]:
        path = self.folder / name
        path.touch()
        return self._open.enter_context(path.open("r+b", buffering=0))

    def _note(self, values: dict[str, Any]) -> None:
        line = json.dumps(values).encode() + b"\n"
        _write(self._journal, memoryview(line), self._noted)
        self._noted += len(line)


def clear(pack: Path) -> None:
    """Removes from a finished pack what a process that was killed at its last step left there."""
    for name in (_JOURNAL, _LOCK):
        if (pack / name).exists():  # a pack may lie where nothing can be written
            (pack / name).unlink()


def _write(file: IO[bytes], data: memoryview, at: int) -> None:
    while data:
        count = os.pwrite(file.fileno(), data, at)
        data, at = data[count:], at + count


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
