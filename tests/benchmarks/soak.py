"""A search of thousands of candidates with recorded answers: what its driver needs as the study grows.

    python -m tests.benchmarks.soak [--trials 2000] [--samplers tpe nsga2 random ...]

The driver's own code runs: it asks the sampler, writes the journal and each trial's files, tells the outcome. Nothing
is measured or trained, and no worker is started. Printed for each sampler as the study grows: the median time of an ask
over the last hundred candidates and the longest one, the journal's size, and the memory of the process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import psutil

from nas_sr.search.store import JOURNAL
from tests.benchmarks.open_large_study import made

WINDOW = 100


def main() -> None:
    """Runs each sampler in a process of its own and prints its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--samplers", nargs="*", default=["tpe", "nsga2", "random"])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        _grow(arguments.samplers[0], arguments.trials)
        return
    print(f"{'sampler':10}{'trials':>8}{'ask ms':>9}{'longest':>9}{'journal MB':>12}{'memory MB':>11}", flush=True)
    for name in arguments.samplers:
        given = ["--here", "--samplers", name, "--trials", str(arguments.trials)]
        subprocess.run([sys.executable, "-m", "tests.benchmarks.soak", *given], check=True)


def _grow(sampler: str, trials: int) -> None:
    process = psutil.Process()
    marks = {mark for mark in (100, 200, 500, 1000, 2000, 5000, 10_000) if mark < trials} | {trials}
    with tempfile.TemporaryDirectory() as folder:
        took_s: list[float] = []

        def asked(evaluated: int, seconds: float) -> None:
            took_s.append(seconds)
            if evaluated + 1 in marks:
                recent = took_s[-WINDOW:]
                journal_mb = (Path(folder) / "study" / JOURNAL).stat().st_size / 1e6
                print(
                    f"{sampler:10}{evaluated + 1:8}{1e3 * median(recent):9.0f}{1e3 * max(recent):9.0f}"
                    f"{journal_mb:12.1f}{process.memory_info().rss / 1e6:11.0f}",
                    flush=True,
                )

        made(Path(folder) / "study", trials, sampler, asked)


if __name__ == "__main__":
    main()
