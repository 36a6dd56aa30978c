"""Trainings on a device beside a measurement on it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.device_lock import visitors
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.profile import HardwareProfile
from tests.gpu.profiles import timed
from tests.waiting import until

TRAININGS = 2
STARTS_S = 180.0  # importing torch takes a minute on a busy machine


class Beside(NamedTuple):
    """One network timed beside trainings that step aside."""

    taken: Measurement
    steps_before: int
    steps_within: int  # that began inside the window: none may
    steps_after: int
    were_visitors: bool


def beside(hardware: HardwareProfile, spec: ImdeceptionSpec, device: str, folder: Path) -> Beside:
    """Times a network beside two trainings on the device."""
    stages: dict[str, float] = {}
    with _trainings(device, folder) as trainings:
        until(lambda: all(len(_began(log)) > 5 for log in trainings.values()), STARTS_S)
        taken = timed(spec, hardware, progress=lambda stage: stages.update({stage: time.monotonic()}))
        ended = time.monotonic()
        until(lambda: all(_began(log)[-1] > ended for log in trainings.values()))
        were_visitors = set(trainings) <= visitors(hardware.device)
    began = [at for log in trainings.values() for at in _began(log)]
    # The program's word of it comes a moment after the window has begun.
    window = stages["window"], stages["window"] + 0.9 * taken.conditions["window_s"]
    return Beside(
        taken,
        sum(at < window[0] for at in began),
        sum(window[0] <= at < window[1] for at in began),
        sum(at > ended for at in began),
        were_visitors,
    )


@contextmanager
def _trainings(device: str, folder: Path) -> Iterator[dict[int, Path]]:
    """The logs of trainings that run, by process; they are gone at the end."""
    started: dict[int, subprocess.Popen[bytes]] = {}
    logs: dict[int, Path] = {}
    try:
        for number in range(TRAININGS):
            log = folder / f"training-{number}.log"
            log.touch()
            process = subprocess.Popen([sys.executable, "-m", "tests.gpu.trainer", device, str(log)])
            started[process.pid], logs[process.pid] = process, log
        yield logs
    finally:
        for process in started.values():
            process.kill()
            process.wait()


def _began(log: Path) -> list[float]:
    lines = (line.split() for line in log.read_text().splitlines())
    return [float(words[1]) for words in lines if len(words) == 2 and words[0] == "begin"]
