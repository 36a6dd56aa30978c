"""Locks of open files by the operating system: they end with the process that holds them, however it ends.

The one place that asks for them, here because this program ships alone. A file is a descriptor or has one.
"""

from __future__ import annotations

import fcntl
from typing import IO, Any, Union

File = Union[int, IO[Any]]


def lock(file: File, shared: bool = False) -> None:
    """Waits for the lock: alone, or beside others that share it."""
    fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def try_lock(file: File, shared: bool = False) -> bool:
    """Whether the lock was to be had at once; then it is held.

    Raises:
        OSError: the disk has no locks.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(file: File) -> None:
    """Lets go of it; closing the file does so too."""
    fcntl.flock(file, fcntl.LOCK_UN)
