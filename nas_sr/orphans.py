"""Ends processes that this one started and that would outlive it, however it ends: by SIGKILL too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# Reads until nobody holds the other end, then kills what is still the process that it was told of.
_WATCHER = """
import os, signal, sys
sys.stdin.buffer.read()
for each in sys.argv[1:]:
    pid, started = each.split(":")
    try:
        with open("/proc/" + pid + "/stat") as file:
            if file.read().rpartition(")")[2].split()[19] == started:
                os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""


@contextmanager
def ended_with_this(processes: Iterable[psutil.Process]) -> Iterator[None]:
    """These processes end with the block at the latest, or with this process."""
    named = []
    for process in processes:
        with suppress(OSError):  # it has ended
            named.append(f"{process.pid}:{_started(process.pid)}")
    command = [sys.executable, "-I", "-S", "-c", _WATCHER, *named]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield


def _started(pid: int) -> str:
    """When the kernel says it began; with its number that is nobody else's."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
