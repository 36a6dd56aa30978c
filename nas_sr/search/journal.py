"""The study's journal on disk: Optuna's log, made safe against a process that is killed while it writes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock


class KernelLock(BaseJournalFileLock):
    """A lock that the kernel drops with its process. Optuna's own leave a file behind that blocks the next run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Waits for the lock; True once it is held."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Gives the lock back."""
        os.close(self._descriptor)


def open_journal(path: Path) -> JournalStorage:
    """The journal at `path`, made if missing. A last line cut short by a kill is dropped: it was never acknowledged."""
    lock = KernelLock(path.with_name(path.name + ".lock"))
    lock.acquire()  # whoever holds it may be in the middle of a line
    try:
        _drop_unfinished_line(path)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _drop_unfinished_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def read_journal(path: Path) -> JournalStorage:
    """The journal at `path` as it is now, for reading only: no lock is taken and nothing is written.

    A last line without its end was never acknowledged, or is being written at this moment: it is left out.
    """
    return JournalStorage(_Snapshot(path.read_bytes()))


class _Snapshot(BaseJournalBackend):
    """What a journal held at one moment."""

    def __init__(self, content: bytes) -> None:
        self._lines = content.split(b"\n")[:-1]

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from this number on."""
        for line in self._lines[log_number_from:]:
            yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Refused: a reader that writes is a mistake in the program."""
        raise RuntimeError("this journal was opened for reading only")
