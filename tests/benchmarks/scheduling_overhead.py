"""What Ray Tune, the searcher and the journal cost for each candidate, beyond the candidate's own work.

    python tests/benchmarks/scheduling_overhead.py [TRIALS]

Candidates here report as often as real ones do (latency, training, three validations, outcome) and work for a known
time, by sleeping. The overhead of a trial is the time from its beginning to the beginning of the next one on the same
worker, less that work. The start of Ray and of the workers is told apart. Aim: under 150 ms.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

from rich.console import Console

from nas_sr.config import StudyConfig
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.outcome import Outcome, Reached
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.tune import Resources, run_candidates
from nas_sr.space import read_space
from nas_sr.train.execution import Execution

WORK_S = 0.5
EVENTS = [Reached("latency"), *(Reached("training", step, 300, 25.0, (9.0,)) for step in (0, 100, 200, 300))]


def work(evaluation: Evaluation, number: int, spec: ImdeceptionSpec) -> Iterator[Reached | Outcome]:
    """A candidate that does nothing for WORK_S seconds, and says where and when it began."""
    begun = time.time()
    for event in EVENTS:
        time.sleep(WORK_S / len(EVENTS))
        yield event
    yield Outcome("complete", 25 + spec.core / 100, (5.0 + spec.core,), reason=f"{os.getpid()} {begun}")


class Begun(SearchProgress):
    """Collects when each worker began its candidates."""

    def ended(self, number: int, outcome: Outcome) -> None:
        """Nothing is shown."""
        worker, begun = outcome.reason.split()
        self.begun = getattr(self, "begun", defaultdict(list))
        self.begun[worker].append(float(begun))


def main(trials: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = StudyConfig(sampler="tpe")
        store = StudyStore.create(Path(folder) / "overhead", config, {})
        evaluation = Evaluation(
            study_dir=str(store.folder),
            hw=("cpu",),
            limits_ms=(None,),
            train_pack="",
            val_pack="",
            validation_megapixels=1.0,
            training=config.training,
            execution=Execution(),
        )
        begun = Begun(Console(stderr=True, quiet=True), trials, {})
        start = time.time()
        run_candidates(Proposals(store, read_space("imdeception_x4")), trials, evaluation, work, Resources(), begun)
    workers = [sorted(times) for times in begun.begun.values()]
    over_ms = [(b - a - WORK_S) * 1e3 for times in workers for a, b in pairwise(times)]
    first, last = (pick(times[0] for times in workers) - start for pick in (min, max))
    print(f"{trials} trials on {len(workers)} workers, {WORK_S * 1e3:.0f} ms of work each, TPE, journal on disk")
    print(f"until the first worker began a candidate: {first:.1f} s; until the last one did: {last:.1f} s")
    print(
        f"overhead a trial: mean {mean(over_ms):.0f} ms, median {median(over_ms):.0f} ms, worst {max(over_ms):.0f} ms"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
