"""`nas-sr bench`: a recorded benchmark of trainings, by which searches can be compared without training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.options import ARCH_HELP, STUDIES, lengths
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.benchmark.table import Table

app = typer.Typer(
    help="A recorded benchmark: trainings of many networks, for comparing searches.", no_args_is_help=True
)

_TABLE = typer.Option(..., "--table", help="Folder of the benchmark.")
_DATA = typer.Option(None, "--data", help="Training images.  [default: photographs inside packages]")
_VAL = typer.Option(None, "--val", help="Validation images.  [default: a part of the training images]")
_MINUTES = typer.Option(None, "--minutes", help="After so many, nothing further is begun.  [default: no end]")


@app.command("record")
def record(
    folder: Path = typer.Argument(..., metavar="TABLE", help="Folder; made if missing, else continued."),
    data: str = _DATA,
    val: str = _VAL,
    protocol: Path = typer.Option(
        None, "--protocol", help="YAML file of what is recorded.  [default: 156 networks of both families]"
    ),
    minutes: float = _MINUTES,
    processes: int = typer.Option(
        None, "--processes", min=1, help="Trainings side by side, one thread each.  [default: one a core]"
    ),
    as_json: bool = JSON,
) -> None:
    """Trains what a table lacks. A stopped recording goes on with the same command.

    \b
        nas-sr bench record x4 --data photos --val Kodak24 --minutes 55
    """
    from nas_sr.benchmark.protocol import Protocol
    from nas_sr.benchmark.recording import record as record_table
    from nas_sr.config import read_yaml

    chosen = read_yaml(protocol, Protocol) if protocol else Protocol()
    _show(record_table(folder, chosen, data, val, processes, _end(minutes), _told()), as_json)


@app.command("inherit")
def inherit(
    supernets: list[Path] = typer.Argument(..., metavar="SUPERNET...", help="Trained ones, one for each space."),
    table: Path = _TABLE,
    data: str = _DATA,
    val: str = _VAL,
    as_json: bool = JSON,
) -> None:
    """Adds what every network scores with inherited weights, before any training.

    \b
        nas-sr bench inherit supernets/imdeception_x4 --table x4 --data photos --val Kodak24
    """
    from nas_sr.benchmark.inherited import record_inherited

    _show(record_inherited(table, supernets, data, val, _told()), as_json)


@app.command("measure")
def measure(
    table: Path = _TABLE,
    hw: list[str] = typer.Option(["cpu"], "--hw", help="Targets; may be repeated."),
    minutes: float = _MINUTES,
    as_json: bool = JSON,
) -> None:
    """Adds the latency of every network on each target. What is not stable is taken again by the same command.

    \b
        nas-sr bench measure --table x4 --hw cpu --hw cpu-openvino --hw cpu-ncnn
    """
    from nas_sr.benchmark.measuring import record_latencies
    from nas_sr.measure.profile import profile

    _show(record_latencies(table, [profile(name) for name in hw], _end(minutes), _told()), as_json)


@app.command("table")
def table(folder: Path = _TABLE, as_json: bool = JSON) -> None:
    """What a recorded benchmark holds.

    \b
        nas-sr bench table --table x4
    """
    from nas_sr.benchmark.table import read_table

    _show(read_table(folder), as_json)


@app.command("query")
def query(
    architecture: str = typer.Argument(..., metavar="ARCH", help=ARCH_HELP),
    seed: int = typer.Option(0, "--seed", help="Seed of the training."),
    steps: int = typer.Option(800, "--steps", help="Its length; 0 of an inherited score."),
    start: str = typer.Option("scratch", "--start", help="scratch or supernet."),
    folder: Path = _TABLE,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """One recorded training.

    \b
        nas-sr bench query imdeception-c8 --seed 1 --steps 2400 --table x4
    """
    from nas_sr.benchmark.table import parse_start, read_table
    from nas_sr.names import arch

    row = read_table(folder).query(arch(architecture, studies), seed, steps, parse_start(start))
    if as_json:
        print_json(row._asdict())
    else:
        print(f"{row.psnr_db:.3f} dB" if row.psnr_db is not None else row.reason)


@app.command("replay")
def replay(
    folder: Path = _TABLE,
    hw: str = typer.Option("cpu", "--hw", help="Target whose recorded latencies are traded."),
    sampler: str = typer.Option("tpe", "--sampler", help="As of `nas-sr search`."),
    budget: int = typer.Option(100, "--budget", min=1, help="Candidates."),
    steps: int = typer.Option(800, "--steps", min=1, help="Of a candidate's training: a recorded length."),
    rungs: str = typer.Option(None, "--rungs", help="Racing: recorded lengths, the first is --steps."),
    seeds: int = typer.Option(2, "--seeds", min=1, help="Racing: most seeds of one candidate."),
    budget_steps: int = typer.Option(
        None, "--budget-steps", help="Racing: steps in all.  [default: twice the candidates']"
    ),
    evaluator: str = typer.Option("scratch", "--evaluator", help="scratch, supernet or finetune."),
    repetitions: int = typer.Option(10, "--repetitions", min=1, help="Searches, each from another seed."),
    as_json: bool = JSON,
) -> None:
    """Searches whose trainings are looked up: regret of the front against training steps.

    \b
        nas-sr bench replay --table x4 --sampler random --budget 100
        nas-sr bench replay --table x4 --steps 200 --rungs 200,800,2400 --budget 60
    """
    from nas_sr.benchmark.regret import ranked_by_cost
    from nas_sr.benchmark.repetitions import Replays, Way, bands
    from nas_sr.benchmark.table import read_table

    way = Way(sampler, steps, lengths(rungs), seeds, evaluator, budget, budget_steps)
    replays = Replays(read_table(folder), hw)
    grid = [round(100 * 2 ** (half / 2)) for half in range(40)]
    curves, tell = [], _told()
    for repetition in range(repetitions):
        curves.append(replays.curve(way, repetition, grid))
        tell(f"{repetition + 1} of {repetitions}: regret {curves[-1][-1].regret_db:.4f} dB")
    longest = max(curve[-1].steps for curve in curves)
    found = bands(curves, [at for at in grid if at < longest] + [longest])
    digests = tuple(replays.table.specs)
    by_cost = replays.judge(digests).regret_db(ranked_by_cost(replays.table, digests))
    if as_json:
        print_json({"way": way._asdict(), "bands": [band._asdict() for band in found], "by_cost_db": by_cost})
        return
    print(f"{'steps':>9} {'CPU min':>8} {'regret dB':>10} {'90 % of searches':>18} {'hypervolume':>12}")
    for band in found:
        print(
            f"{band.steps:>9} {band.seconds / 60:>8.1f} {band.regret_db:>10.4f}"
            f" {band.low_db:>9.4f} {band.high_db:>8.4f} {band.hypervolume:>12.3f}"
        )
    print(f"ranking by multiply-accumulates, without training: {by_cost:.4f} dB")


def _end(minutes: float | None) -> float:
    return math.inf if minutes is None else minutes


def _told() -> Callable[[str], None]:
    """Prints progress."""
    from rich.console import Console

    console = Console(stderr=True)
    return lambda text: console.print(text, highlight=False, soft_wrap=True, markup=False)


def _show(found: Table, as_json: bool) -> None:
    by_length = Counter((found.specs[row.digest].family, row.start, row.steps, row.seed) for row in found.rows.values())
    on_target = Counter(row.target for row in found.latencies.values() if row.relative_latency is not None)
    members = len({row.digest for row in found.rows.values()})
    if as_json:
        rows = [
            {"family": family, "start": start, "steps": steps, "seed": seed, "rows": number}
            for (family, start, steps, seed), number in sorted(by_length.items())
        ]
        content = found.about.content
        print_json(
            {"members": members, "rows": len(found.rows), "by_length": rows, "latencies": on_target, "content": content}
        )
        return
    print(f"{members} networks, {len(found.rows)} trainings")
    for (family, start, steps, seed), number in sorted(by_length.items()):
        print(f"  {family:<12} {start:<9} {steps:>6} steps  seed {seed}  {number:>4}")
    for target, number in sorted(on_target.items()):
        print(f"  latency on {target:<14} {number:>4}")
