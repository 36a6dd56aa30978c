"""Writing files so that a reader sees the old one or the new one, never half of one, and one writer at a time."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nas_sr.device_program.file_lock import lock, try_lock
from nas_sr.errors import UsageError

_ROOM = "make room on that disk"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: f"{_ROOM}, or raise its quota",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f unlimited`)",
    errno.EROFS: "mount that disk for writing",
}


def remedy(error: OSError) -> str:
    """What helps where something could not be written; empty where the error alone does not say."""
    return _REMEDIES.get(error.errno or 0, "")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; when the block ends well it takes the place of `path`.

    Its content is on the disk before: after a power cut there is the old file or the new one whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        _synced(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n")


@contextmanager
def held_alone(path: Path, otherwise: str) -> Iterator[None]:
    """Holds a lock file; the kernel lets go of it when the process ends, however it ends.

    Raises:
        UsageError: another process holds it; `otherwise` is what is said then. Or the disk has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            free = try_lock(descriptor)
        except OSError as error:
            raise UsageError(f"{path}: cannot be locked: {error.strerror}") from None
        if not free:
            raise UsageError(otherwise)
        yield
    finally:
        os.close(descriptor)


def writable_folder(path: Path) -> Path:
    """Makes a folder and checks that files can be made in it.

    Raises:
        UsageError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"cannot write to {path}: {error.strerror}") from None
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock file, after whoever holds it; the kernel lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def is_file_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that has this path now: another process may have removed or renamed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
