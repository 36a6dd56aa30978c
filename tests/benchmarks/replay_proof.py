"""What do samplers, rungs, racing and a supernet gain? Searches replayed on a recorded benchmark.

    python -m tests.benchmarks.replay_proof TABLE [--hw cpu] [--repetitions 50] [--ways NAME ...] [--figure FILE.html]

Every way of searching is replayed `--repetitions` times, on as many processes as there are cores; replays are kept, so
a benchmark that was stopped goes on. Printed, for each way, at its end and on the way there: training steps, the
recorded processor time, mean regret [dB at equal latency, after long training] with the middle nine of ten
repetitions, and the share of the hypervolume. Below: the regret of ranking by multiply-accumulates, which trains
nothing; the standard deviation of the long PSNRs that regret is judged by; and after how many steps each way reaches
the regret that the best plain way has at its end.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from nas_sr.benchmark.regret import long_truth, ranked_by_cost
from nas_sr.benchmark.repetitions import CurvePoint, Replays, Way, bands
from nas_sr.benchmark.table import Table, read_table
from nas_sr.cache import cache_folder
from nas_sr.device_program.cores import usable_cpus
from nas_sr.digest import digest

PLAIN = {f"{name}, 800 steps": Way(name, 800, budget=100) for name in ("random", "tpe", "nsga2")}
WAYS = PLAIN | {
    "random, 2400 steps": Way("random", 2400, budget=100),
    "random, 200 steps": Way("random", 200, budget=100),
    "random, 200 steps, model": Way("random", 200, (200, 2400), budget=100, budget_steps=100 * 200),
    "random, 100 steps, model": Way("random", 100, (100, 2400), budget=100, budget_steps=100 * 100),
    "random, 800 steps, model": Way("random", 800, (800, 2400), budget=100, budget_steps=100 * 800),
    "random, raced 800-2400": Way("random", 800, (800, 2400), budget=60, budget_steps=100 * 800),
    "random, raced 200-800-2400": Way("random", 200, (200, 800, 2400), budget=100, budget_steps=100 * 800),
    "random, raced 100-400-2400": Way("random", 100, (100, 400, 2400), budget=100, budget_steps=100 * 800),
    "tpe, raced 200-800-2400": Way("tpe", 200, (200, 800, 2400), budget=100, budget_steps=100 * 800),
    "nsga2, raced 200-800-2400": Way("nsga2", 200, (200, 800, 2400), budget=100, budget_steps=100 * 800),
}
GRID = [round(100 * 2 ** (half / 2)) for half in range(26)]


def main() -> None:
    """Replays what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--hw", default="cpu")
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS, metavar="NAME")
    parser.add_argument("--processes", type=int, default=usable_cpus())
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    table = read_table(arguments.table)
    keep = cache_folder("replays", _content(table))
    tasks = [(name, repetition) for repetition in range(arguments.repetitions) for name in arguments.ways]
    one = functools.partial(_kept, keep, arguments.table, arguments.hw)
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        found = dict(zip(tasks, pool.map(one, tasks), strict=True))
    curves = {name: [found[name, repetition] for repetition in range(arguments.repetitions)] for name in arguments.ways}
    replays = _replays(arguments.table, arguments.hw)
    print(f"{len(table.specs)} networks; {arguments.repetitions} repetitions; latencies on {arguments.hw}\n")
    for name, of_way in curves.items():
        print(name)
        longest = round(float(np.mean([curve[-1].steps for curve in of_way])))
        for band in bands(of_way, [*[at for at in GRID if 1000 <= at < longest][::3], longest]):
            print(
                f"  {band.steps:>8} steps {band.seconds / 60:>7.1f} CPU min   {band.regret_db:.4f} dB"
                f" ({band.low_db:.4f} to {band.high_db:.4f})   hypervolume {band.hypervolume:.3f}"
            )
    digests = tuple(table.specs)
    print(
        f"\nranking by multiply-accumulates: {replays.judge(digests).regret_db(ranked_by_cost(table, digests)):.4f} dB"
    )
    truth = replays.truth
    print(
        f"long PSNRs: after {truth.steps} steps, {len(truth.measured)} of {len(digests)} networks trained so long;"
        f" standard deviation {np.mean(list(truth.sd_db.values())):.4f} dB"
    )
    plain = {name: np.mean([curve[-1].regret_db for curve in curves[name]]) for name in PLAIN if name in curves}
    if plain:
        best = min(plain, key=lambda name: plain[name])
        full = np.mean([curve[-1].steps for curve in curves[best]])
        print(f"\nthe regret of {best} at its end, {plain[best]:.4f} dB after {full:.0f} steps, is reached by")
        for name, of_way in curves.items():
            reached = next((band for band in bands(of_way, GRID) if band.regret_db <= plain[best]), None)
            text = f"{reached.steps} steps, {reached.steps / full:.2f} of that" if reached else "never"
            print(f"  {name:32} {text}")
    if arguments.figure:
        _draw(curves, arguments.figure)


@functools.lru_cache
def _replays(folder: Path, target: str) -> Replays:
    table = read_table(folder)
    return Replays(table, target, long_truth(table))


def _kept(keep: Path, folder: Path, target: str, task: tuple[str, int]) -> list[CurvePoint]:
    name, repetition = task
    path = keep / f"{digest([WAYS[name]._asdict(), target, GRID])}-{repetition}.json"
    if path.is_file():
        return [CurvePoint(**point) for point in json.loads(path.read_text())]
    curve = _replays(folder, target).curve(WAYS[name], repetition, GRID)
    path.write_text(json.dumps([point._asdict() for point in curve]))
    return curve


def _content(table: Table) -> str:
    return digest([sorted(map(list, table.rows)), sorted(map(list, table.latencies)), table.about.content])


def _draw(curves: dict[str, Sequence[Sequence[CurvePoint]]], path: Path) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, of_way in curves.items():
        found = bands(of_way, GRID)
        figure.add_scatter(
            x=[band.steps for band in found],
            y=[band.regret_db for band in found],
            name=name,
            mode="lines",
            line={"dash": "dot" if name in PLAIN else "solid"},
        )
    figure.update_layout(
        xaxis={"type": "log", "title": "training steps"}, yaxis={"title": "regret [dB at equal latency]"}
    )
    figure.write_html(path)


if __name__ == "__main__":
    main()
