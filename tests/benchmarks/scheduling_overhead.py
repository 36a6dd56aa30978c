"""What Ray Tune, the searcher and the journal cost for each candidate, beyond the candidate's own work.

    python tests/benchmarks/scheduling_overhead.py [TRIALS]

Candidates here report as often as real ones do (latency, training, four validations, outcome) and work for a known
time, by sleeping. The overhead of a trial is the wall time that its worker did not spend asleep. Workers' start-up is
left out: the first candidate of each worker is not counted. Aim: under 150 ms.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from nas_sr.arch.spec import ArchSpec
from nas_sr.config import StudyConfig
from nas_sr.search.candidate import Evaluation
from nas_sr.search.outcome import Outcome, Reached
from nas_sr.search.progress import Progress
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.tune import Resources, run_candidates
from nas_sr.space import read_space
from nas_sr.train.execution import Execution

WORKERS = 2
WORK_S = 0.2
EVENTS = [Reached("latency"), *(Reached("training", step, 300, 25.0, 9.0) for step in (0, 100, 200, 300))]


def work(evaluation: Evaluation, number: int, spec: ArchSpec) -> Iterator[Reached | Outcome]:
    """A candidate that does nothing for WORK_S seconds."""
    for event in EVENTS:
        time.sleep(WORK_S / len(EVENTS))
        yield event
    yield Outcome("complete", 25 + spec.core / 100, 5.0 + spec.core)


class Clock(Progress):
    """Notes when candidates end."""

    ended_at: list[float]

    def ended(self, number: int, outcome: Outcome) -> None:
        self.ended_at = [*getattr(self, "ended_at", []), time.perf_counter()]


def main(trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = StudyConfig(sampler="tpe")
        store = StudyStore.create(Path(folder) / "overhead", config, {})
        evaluation = Evaluation(
            study_dir=str(store.folder),
            hw="cpu",
            train_pack="",
            val_pack="",
            training=config.training,
            execution=Execution(),
        )
        clock = Clock(Console(stderr=True, quiet=True), trials, {})
        start = time.perf_counter()
        proposals = Proposals(store, read_space("imdeception_x4"))
        run_candidates(proposals, trials, evaluation, work, Resources(cpus=1), clock)
        ended = sorted(clock.ended_at)
        counted = ended[WORKERS:]
        wall = counted[-1] - ended[WORKERS - 1]
        overhead_ms = (wall * WORKERS / len(counted) - WORK_S) * 1e3
        print(f"{trials} trials, {WORKERS} at a time, {WORK_S * 1e3:.0f} ms of work each, TPE, journal on disk")
        print(f"start-up (Ray and the first candidate of each worker): {ended[WORKERS - 1] - start:.1f} s")
        print(f"overhead: {overhead_ms:.0f} ms a trial")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
