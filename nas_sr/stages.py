"""Where a process's time goes: one stage after another, kept on disk where somebody asked for it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

from nas_sr.files import write_json

Name = Literal[
    "images",  # found and packed
    "execution",  # how a training step runs is measured
    "candidates",  # workers do the rest
    "finalising",
    "export",
    "waiting",  # for the device
    "timing",  # a process on the device, which nothing else uses
    "training",
    "validation",
    "other",
]


_LEAST_S = 1e-3  # a lock that is free takes microseconds, and is nothing to be told of


class Stage(NamedTuple):
    """A stretch of one process's time. Stretches of one process do not overlap."""

    name: Name
    start_s: float  # Unix time
    end_s: float


class Stages(NamedTuple):
    """What one process did, in order."""

    process: int
    stages: tuple[Stage, ...]


class _Record:
    def __init__(self) -> None:
        self.done: list[Stage] = []
        self.inside: list[Name] = []
        self._since = 0.0

    def turn(self) -> None:
        """The innermost stage ends here, or goes on for another one."""
        now = time.time()
        if self.inside and now - self._since > _LEAST_S:
            self.done.append(Stage(self.inside[-1], self._since, now))
        self._since = now


_record: _Record | None = None


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """Writes the stages that this process goes through inside to `path`, at the end; what is no stage is "other".

    Nothing is written where the folder was not made by then.
    """
    global _record
    _record = record = _Record()
    try:
        with stage("other"):
            yield
    finally:
        if _record is record:
            _record = None
        if path.parent.is_dir():
            with suppress(OSError):  # of a full disk the work itself hears
                write_json(path, {"process": os.getpid(), "stages": [each._asdict() for each in record.done]})


@contextmanager
def stage(name: Name) -> Iterator[None]:
    """What is inside belongs to this stage; one inside another interrupts it. Costs nothing where none are recorded."""
    record = _record
    if record is None:
        yield
        return
    record.turn()
    record.inside.append(name)
    try:
        yield
    finally:
        record.turn()
        record.inside.pop()


def read_stages(path: Path) -> Stages | None:
    """What was recorded there; None where nothing whole is."""
    try:
        value = json.loads(path.read_text())
        return Stages(value["process"], tuple(Stage(**each) for each in value["stages"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
