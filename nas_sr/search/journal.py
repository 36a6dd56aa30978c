"""The study's journal on disk: Optuna's log, whole lines only, whatever stops the process that writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from nas_sr.errors import WorkError
from nas_sr.files import locked, remedy

_BLOCK = 4096


class WholeLines(BaseJournalBackend):
    """A file of one JSON object a line, in which a write that fails half-way leaves nothing.

    Optuna's own backend appends behind whatever is there, so that the rest of a cut line and the next one become one
    broken line in the middle, and no line after it can be read. Here such a rest is cut off before anything is
    appended, whoever left it: its write was never acknowledged. Readers pass over it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = {0: 0}  # number of a line -> its position
        if not path.exists():  # a study that is only read may be on a disk that cannot be written
            path.touch()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The whole lines that are there now, from that number on.

        Raises:
            ValueError: a line is no JSON object; says which.
        """
        with self._path.open("rb") as file:
            end = _end_of_whole_lines(file)
            number = log_number_from if log_number_from in self._starts else 0
            position = file.seek(self._starts[number])
            lines = file.read(end - position).split(b"\n")[:-1]
        for place, line in enumerate(lines, number + 1):
            position += len(line) + 1
            self._starts[place] = position
        yield from _parsed(lines[log_number_from - number :], log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends all of the lines and waits until the disk has them, or none of them.

        Raises:
            WorkError: they cannot be written; says why, where, and what helps.
        """
        lines = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        try:
            with locked(self._path.with_name(self._path.name + ".lock")), self._path.open("rb+", 0) as file:
                end = file.truncate(file.seek(_end_of_whole_lines(file)))
                try:
                    _write_all(file, lines)
                    os.fsync(file.fileno())
                except BaseException:  # an interrupt too
                    with suppress(OSError):  # whoever appends next cuts it off
                        file.truncate(end)
                    raise
        except OSError as error:
            raise WorkError(
                f"{self._path}: cannot be written: {error.strerror or error}; nothing that it holds is lost:"
                f" {remedy(error) or 'see that it can be written'}, and go on with the same command"
            ) from error


def open_journal(path: Path) -> JournalStorage:
    """The journal at `path`, made if missing. Opening and reading an existing one writes nothing."""
    return JournalStorage(WholeLines(path))


def _parsed(lines: list[bytes], before: int) -> list[dict[str, Any]]:
    """The objects in lines that come after so many others."""
    try:
        found = json.loads(b"[" + b",".join(lines) + b"]")  # at once: a large study has tens of thousands
        if len(found) == len(lines):
            return found
    except ValueError:
        pass
    found = []
    for number, line in enumerate(lines, before + 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _write_all(file: Any, content: bytes) -> None:
    """A disk that fills up takes a part, and says so only of the next write."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _end_of_whole_lines(file: Any) -> int:
    """Position behind the last whole line.

    A file system that lost power may have left zeros in place of what was being written, but for its end of line.
    """
    end, line = _last_line(file, file.seek(0, os.SEEK_END))
    return end - len(line) if b"\0" in line else end


def _last_line(file: Any, end: int) -> tuple[int, bytes]:
    """Where the last whole line before `end` ends, and that line; (0, b"") where there is none."""
    tail, start = b"", end
    while start and tail.count(b"\n") < 2:
        size = min(_BLOCK, start)
        start = file.seek(start - size)
        tail = file.read(size) + tail
    whole, found, _ = tail.rpartition(b"\n")
    line = whole.rpartition(b"\n")[2] + b"\n"
    return (start + len(whole) + 1, line) if found else (0, b"")
