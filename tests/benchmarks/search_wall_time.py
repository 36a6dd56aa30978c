"""Where the wall time of a search goes, and the share of core time that trains or is being timed.

    python -m tests.benchmarks.search_wall_time [--budget 12] [--keep FOLDER] [OPTIONS OF nas-sr search]

A real `nas-sr search --hw cpu` with a cache and a studies folder of its own, so that nothing is known beforehand. Each
process of a search leaves a record of its stages, `stages.json` of the study and of each trial; here they are added up.
Core time is wall time times the processors that may be used. Training, validation and export occupy the cores of one
candidate; a measurement occupies all of them, because the device is the processor itself and every training steps
aside. What nobody's record names is idle, or Python, Ray and Optuna at their own work. Run it on a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from nas_sr.device_program.cores import usable_cpus
from nas_sr.measure.attempts import REFERENCE
from nas_sr.stages import Stage, Stages, read_stages

WHOLE_MACHINE = "timing"


class Search(NamedTuple):
    """A search that has ended, and what its processes left."""

    start_s: float  # Unix time
    end_s: float
    driver: Stages
    trials: dict[int, Stages]

    def seconds(self, name: str, *, of_driver: bool) -> float:
        """Time in all stages of that name."""
        records = [self.driver] if of_driver else self.trials.values()
        return sum(each.end_s - each.start_s for record in records for each in record.stages if each.name == name)


def searched(folder: Path, budget: int, options: list[str]) -> Search:
    """Runs it as a user would."""
    command = [
        *(sys.executable, "-c", "from nas_sr.cli.main import main; main()"),
        *("search", *(() if "--hw" in options else ("--hw", "cpu")), "--budget", str(budget), "--name", "timed"),
        *("--studies", str(folder / "studies"), "--reports", str(folder / "reports"), *options),
    ]
    start_s = time.time()
    subprocess.run(command, env={**os.environ, "NAS_SR_CACHE": str(folder / "cache")}, check=True)
    end_s = time.time()
    study = folder / "studies" / "timed"
    driver = read_stages(study / "stages.json")
    found = {int(path.parent.name): read_stages(path) for path in study.glob("trials/*/stages.json")}
    if driver is None or None in found.values():
        raise SystemExit(f"{study}: a record of stages is missing or broken")
    return Search(start_s, end_s, driver, {number: each for number, each in found.items() if each is not None})


def table(search: Search, cores: int, cores_of_candidate: int) -> list[tuple[str, float, float]]:
    """(what, wall seconds, core seconds) of everything; the rest is the last row."""
    first = {each.name: each for each in reversed(search.driver.stages)}
    candidates = [each for each in search.driver.stages if each.name == "candidates"]
    begins = min((record.stages[0].start_s for record in search.trials.values()), default=search.end_s)
    ends = max((record.stages[-1].end_s for record in search.trials.values()), default=search.end_s)
    rows = [("start: Python and imports", _until(search.driver.stages[0].start_s, search.start_s), 0.0)]
    for name, title in (("images", "start: images packed"), ("execution", "start: how a step runs fastest")):
        wall_s = search.seconds(name, of_driver=True)
        rows.append((title, wall_s, wall_s * cores_of_candidate if name == "execution" else 0.0))
    if candidates:
        rows.append(("start: Ray and its workers", _until(begins, first["candidates"].start_s), 0.0))
    for name in ("export", "timing", "waiting", "training", "validation", "other"):
        wall_s = search.seconds(name, of_driver=False)
        width = {"timing": cores, "waiting": 0, "other": 0}.get(name, cores_of_candidate)
        rows.append((f"candidates: {name}", wall_s, wall_s * width))
    if candidates:
        rows.append(("Ray ends", _until(candidates[-1].end_s, ends), 0.0))
    for name in ("timing", "export", "waiting", "finalising", "validation"):
        wall_s = search.seconds(name, of_driver=True)
        width = {"timing": cores, "validation": cores, "export": 1}.get(name, 0)
        rows.append((f"finalists: {name}", wall_s, wall_s * width))
    return rows


def _until(end_s: float, start_s: float) -> float:
    return max(0.0, end_s - start_s)


def alone_s(search: Search) -> dict[int, float]:
    """Number of candidates that train or validate at a time -> seconds."""
    changes: list[tuple[float, int]] = []
    for record in search.trials.values():
        busy = [each for each in record.stages if each.name in ("training", "validation")]
        changes += [(each.start_s, 1) for each in busy] + [(each.end_s, -1) for each in busy]
    found: dict[int, float] = defaultdict(float)
    count, since = 0, 0.0
    for now, change in sorted(changes):
        found[count] += now - since if count else 0.0
        count, since = count + change, now
    return {number: seconds for number, seconds in sorted(found.items()) if number}


def measurements(search: Search) -> list[Stage]:
    """Every process on the device, in order."""
    records = [search.driver, *search.trials.values()]
    return sorted(each for record in records for each in record.stages if each.name == WHOLE_MACHINE)


def show(search: Search, cores: int, cores_of_candidate: int) -> None:
    """Prints the tables."""
    wall_s = search.end_s - search.start_s
    total_s = wall_s * cores
    rows = table(search, cores, cores_of_candidate)
    useful = {"candidates: timing", "finalists: timing", "candidates: training"}
    print(f"\n{len(search.trials)} candidates in {wall_s:.0f} s on {cores} cores, {cores_of_candidate} each\n")
    print(f"{'':34}{'seconds':>9}{'core seconds':>14}{'share':>8}")
    for what, seconds, core_s in rows:
        print(f"{what:34}{seconds:9.1f}{core_s:14.1f}{core_s / total_s:8.1%}")
    named_s = sum(core_s for _, _, core_s in rows)
    print(f"{'idle, or Python and Ray at work':34}{'':9}{total_s - named_s:14.1f}{1 - named_s / total_s:8.1%}")
    print("candidates that train at a time:", ", ".join(f"{n}: {s:.0f} s" for n, s in alone_s(search).items()))
    print(f"processes on the device: {len(measurements(search))} ({REFERENCE} interleaved)")
    share = sum(core_s for what, _, core_s in rows if what in useful) / total_s
    validates = sum(core_s for what, _, core_s in rows if what.endswith("validation")) / total_s
    print(f"\ntrains or is being timed: {share:.1%} of core time (with validation {share + validates:.1%})")


def main() -> None:
    """Searches and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--budget", type=int, default=12)
    parser.add_argument("--cpus-per-trial", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where cache, study and report go; else they are removed")
    arguments, options = parser.parse_known_args()
    cores = arguments.cpus_per_trial
    with tempfile.TemporaryDirectory(prefix="nas-sr-wall-") as folder:
        where = arguments.keep or Path(folder)
        given = [*options, "--cpus-per-trial", str(cores)]
        show(searched(where.resolve(), arguments.budget, given), usable_cpus(), cores)


if __name__ == "__main__":
    main()
