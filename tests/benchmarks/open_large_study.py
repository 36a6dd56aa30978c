"""How long a large study takes to open and to report, on one made here with recorded answers: nothing is measured.

    python tests/benchmarks/open_large_study.py [TRIALS]

The study has TRIALS (2,000) trials of the shipped space on one target: each with a latency of as many samples as the
CPU profile takes, a curve, and an outcome that TPE's journal was told. Printed are the median times of three fresh
processes that open it: `StudyStore.read(...).record()`, what every look-up of STUDY:TRIAL does, the same with the
importances that a report shows, and the writing of that report. Aim: under 2 s for the first. The processor's time
says how busy the machine was.
"""

from __future__ import annotations

import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from nas_sr.config import StudyConfig
from nas_sr.families.counts import counts
from nas_sr.measure.measurement import Measurement
from nas_sr.records import CurvePoint
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_curve, write_latency, write_outcome
from nas_sr.space import read_space

SAMPLES, REFERENCE_MS = 100, 20.0
OPEN = """
import sys, time
from pathlib import Path
from nas_sr.search.store import StudyStore
start, worked = time.perf_counter(), time.process_time()
record = StudyStore.read(Path(sys.argv[1])).record()
print(time.perf_counter() - start, time.process_time() - worked, len(record.trials), len(record.front))
start, worked = time.perf_counter(), time.process_time()
records = StudyStore.read(Path(sys.argv[1])).report_records()
print(time.perf_counter() - start, time.process_time() - worked)
from nas_sr.report.write import write_report
start, worked = time.perf_counter(), time.process_time()
write_report(records, Path(sys.argv[1]).parent / "report")
print(time.perf_counter() - start, time.process_time() - worked)
"""


def made(
    folder: Path, trials: int, sampler: str = "random", asked: Callable[[int, float], None] = lambda number, s: None
) -> StudyStore:
    """A study with so many evaluated networks; what it says of them follows a formula.

    `asked` hears of each how many were evaluated before, and how long the sampler took [s].
    """
    draw = random.Random(0)
    store = StudyStore.create(folder, StudyConfig(sampler=sampler), {"bicubic_psnr_db": 25.0})
    proposals = Proposals(store, read_space("imdeception_x4"))
    while proposals.evaluated < trials:
        begin = time.perf_counter()
        proposal = proposals.ask()
        if proposal is None:
            break
        asked(proposals.evaluated, time.perf_counter() - begin)
        latency_ms = 5 + 40 * counts(proposal.spec).macs_g / 10
        psnr_db = 25 + 0.3 * math.log2(1 + counts(proposal.spec).macs_g) + draw.gauss(0, 0.05)
        trial = store.trial_folder(proposal.number)
        trial.mkdir(parents=True)
        write_latency(store.latency_path(proposal.number, "cpu"), measurement(latency_ms, draw))
        write_curve(trial, [CurvePoint(step, 0.01, psnr_db - 1 / (1 + step), step / 50) for step in (400, 800)])
        outcome = Outcome("complete", psnr_db, (latency_ms,))
        write_outcome(trial, outcome)
        proposals.tell(proposal.number, outcome)
    return store


def measurement(latency_ms: float, draw: random.Random) -> Measurement:
    """One as the CPU profile leaves it: a reference run after every fifth sample, and its epoch."""
    return Measurement(
        target="cpu",
        backend="onnxruntime",
        network="0" * 12,
        lr_height=96,
        lr_width=96,
        samples_ms=tuple(latency_ms * draw.lognormvariate(0, 0.02) for _ in range(SAMPLES)),
        reference_ms=tuple(REFERENCE_MS * draw.lognormvariate(0, 0.02) for _ in range(SAMPLES // 5)),
        reference_after=tuple(range(0, SAMPLES, 5)),
        stable=True,
        target_reference_ms=REFERENCE_MS,
        conditions={"window_s": 2.0, "load_average": [0.5] * 8, "frequency_mhz": [2500.0] * 8, "gpu": None},
        protocol={"warmup_s": 0.5, "seconds": 2.0, "iterations": 30},
        machine={"cpu": "made up", "threads": 2},
        versions={"onnxruntime": "1.32.0"},
        measured_at="2026-01-01T00:00:00+00:00",
    )


def main(trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = made(Path(folder) / "large", trials)
        runs = [
            subprocess.run(
                [sys.executable, "-c", OPEN, str(store.folder)], capture_output=True, text=True, check=True
            ).stdout.split()
            for _ in range(3)
        ]
    opened, opened_cpu, trials_there, front, report, report_cpu, written, written_cpu = (
        median(float(run[place]) for run in runs) for place in range(8)
    )
    print(f"{trials_there:.0f} trials with repeats, {front:.0f} on the front")
    print(f"opened in {opened:.2f} s ({opened_cpu:.2f} s of the processor)")
    print(f"as a report needs it in {report:.2f} s ({report_cpu:.2f} s of the processor)")
    print(f"its report written in {written:.2f} s ({written_cpu:.2f} s of the processor)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
