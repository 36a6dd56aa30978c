"""Who holds a device: one measurement alone, or any number of trainings that step aside for it.

Two locked files make a turnstile. A measurement takes the turnstile, which no training can then pass, and waits for the
device; every training passes it between two steps and lets go of the device when it cannot. So a measurement waits for
one step at most, however many trainings there are, and measurements queue at the turnstile.
The locks are the operating system's: they end with the process that holds them, by whatever signal it dies.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from nas_sr.cache import cache_folder
from nas_sr.device_program.backends.base import GPU
from nas_sr.device_program.file_lock import lock, try_lock, unlock
from nas_sr.files import is_file_at
from nas_sr.stages import stage

_BETWEEN_TRIES_S = 0.2
_visits: dict[tuple[int, str], IO[bytes]] = {}  # of (process, device), open for the rest of the process's life


@contextmanager
def measuring(*devices: str, when_waiting: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Holds the first of some like devices that is free alone, and yields its index; `when_waiting` is called once if
    none is free.

    A process that trains on the device must leave its own `SharedDevice` first, or it waits for itself.
    """
    with ExitStack() as stack:
        turnstiles = [stack.enter_context(_opened(device, "turnstile")) for device in devices]
        index = _first_taken(turnstiles)
        if index is None:
            when_waiting()
            with stage("waiting"):
                if len(devices) == 1:
                    index = 0
                    lock(turnstiles[0])
                while index is None:  # nothing waits for whichever of several files comes free first
                    time.sleep(_BETWEEN_TRIES_S)
                    index = _first_taken(turnstiles)
        held = stack.enter_context(_opened(devices[index], "device"))
        if not try_lock(held):
            when_waiting()
            with stage("waiting"):
                lock(held)
        yield index


def _first_taken(turnstiles: list[IO[bytes]]) -> int | None:
    return next((index for index, file in enumerate(turnstiles) if try_lock(file)), None)


class SharedDevice:
    """Shares devices with other work: a context manager; call `step_boundary` between two steps of the work.

    Work on a GPU keeps a core busy too, so it names both: `SharedDevice("cpu", "cuda:0")`. Devices are called as
    backends call theirs (see device_program/backends/base.py), or as torch does: `cuda` is the first GPU.
    """

    def __init__(self, *devices: str) -> None:
        names = dict.fromkeys(GPU if device == "cuda" else device for device in devices)
        for device in names:
            _visit(device)
        self._shares = [_Share(device) for device in names]

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

    @stage("waiting")
    def take(self) -> None:
        lock(self._turnstile, shared=True)
        lock(self._held, shared=True)
        unlock(self._turnstile)

    def step_boundary(self) -> None:
        if try_lock(self._turnstile, shared=True):
            unlock(self._turnstile)
            return
        unlock(self._held)
        self.take()

    def close(self) -> None:
        self._held.close()
        self._turnstile.close()


def visitors(device: str) -> frozenset[int]:
    """Processes of this machine that share a device, or did: they step aside for a measurement, and yet a GPU's driver
    lists them, for what they have in its memory stays there."""
    found = set()
    for path in _visitors_folder(device).iterdir():
        with path.open("ab") as file:
            if try_lock(file):
                path.unlink(missing_ok=True)  # of a process that has ended
            else:
                found.add(int(path.name))
    return frozenset(found)


def _visit(device: str) -> None:
    """Makes this process one of a device's visitors until it ends."""
    path = _visitors_folder(device) / str(os.getpid())
    while (os.getpid(), device) not in _visits:
        file = path.open("ab")
        lock(file)
        if is_file_at(file, path):  # and was not removed, as that of an earlier process of this number
            _visits[os.getpid(), device] = file


def _visitors_folder(device: str) -> Path:
    return cache_folder("locks", f"{platform.node()}.{device}.visitors")


def _opened(device: str, name: str) -> IO[bytes]:
    # The machine's name, because a cache folder may be a network's and the device is not.
    return (cache_folder("locks") / f"{platform.node()}.{device}.{name}").open("ab")
