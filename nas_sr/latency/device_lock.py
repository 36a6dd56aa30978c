"""Who holds a device: one measurement alone, or any number of trainings that step aside for it.

Two locked files make a turnstile. A measurement takes the turnstile, which no training can then pass, and waits for the
device; every training passes it between two steps and lets go of the device when it cannot. So a measurement waits for
one step at most, however many trainings there are, and measurements queue at the turnstile.
The locks are the operating system's: they end with the process that holds them, by whatever signal it dies.
"""

from __future__ import annotations

import fcntl
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO

from nas_sr.cache import cache_folder


@contextmanager
def measuring(device: str, when_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds a device alone; `when_waiting` is called once if it is not free.

    A process that trains on the device must leave its own `SharedDevice` first, or it waits for itself.
    """
    with _opened(device, "turnstile") as turnstile, _opened(device, "device") as held:
        if not _taken_at_once(turnstile, fcntl.LOCK_EX):
            when_waiting()
            fcntl.flock(turnstile, fcntl.LOCK_EX)
            fcntl.flock(held, fcntl.LOCK_EX)
        elif not _taken_at_once(held, fcntl.LOCK_EX):
            when_waiting()
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


class SharedDevice:
    """Shares devices with other work: a context manager; call `step_boundary` between two steps of the work.

    Work on a GPU keeps a core busy too, so it names both: `SharedDevice("cpu", "cuda")`.
    """

    def __init__(self, *devices: str) -> None:
        self._shares = [_Share(device) for device in dict.fromkeys(devices)]

    def __enter__(self) -> SharedDevice:
        for share in self._shares:
            share.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for share in self._shares:
            share.close()

    def step_boundary(self) -> None:
        """Lets a waiting measurement have its device and returns when it is done; microseconds when none waits."""
        for share in self._shares:
            share.step_boundary()


class _Share:
    """A share of one device."""

    def __init__(self, device: str) -> None:
        self._turnstile = _opened(device, "turnstile")
        self._held = _opened(device, "device")

    def take(self) -> None:
        fcntl.flock(self._turnstile, fcntl.LOCK_SH)
        fcntl.flock(self._held, fcntl.LOCK_SH)
        fcntl.flock(self._turnstile, fcntl.LOCK_UN)

    def step_boundary(self) -> None:
        if _taken_at_once(self._turnstile, fcntl.LOCK_SH):
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)
            return
        fcntl.flock(self._held, fcntl.LOCK_UN)
        self.take()

    def close(self) -> None:
        self._held.close()
        self._turnstile.close()


def _opened(device: str, name: str) -> IO[bytes]:
    # The machine's name, because a cache folder may be a network's and the device is not.
    return (cache_folder("locks") / f"{platform.node()}.{device}.{name}").open("ab")


def _taken_at_once(file: IO[bytes], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
