"""`nas-sr bench`: a recorded benchmark of trainings, by which searches can be compared without training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nas_sr.cli.options import ARCH_HELP, STUDIES
from nas_sr.cli.output import JSON, print_json

if TYPE_CHECKING:
    from nas_sr.benchmark.table import Table

app = typer.Typer(
    help="A recorded benchmark: trainings of many networks, for comparing searches.", no_args_is_help=True
)

_TABLE = typer.Option(..., "--table", help="Parquet file of the benchmark.")


@app.command("record")
def record(
    path: Path = typer.Argument(..., metavar="TABLE", help="Parquet file; made if missing, else continued."),
    data: str = typer.Option(None, "--data", help="Training images.  [default: photographs inside packages]"),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: a part of the training images]"),
    protocol: Path = typer.Option(
        None, "--protocol", help="YAML file of what is recorded.  [default: 156 networks of both families]"
    ),
    minutes: float = typer.Option(
        None, "--minutes", help="After so many, no further training is begun.  [default: no end]"
    ),
    processes: int = typer.Option(
        None, "--processes", min=1, help="Trainings side by side, one thread each.  [default: one a core]"
    ),
    as_json: bool = JSON,
) -> None:
    """Trains what a table lacks. A stopped recording goes on with the same command.

    \b
        nas-sr bench record table.parquet --data photos --val Kodak24 --minutes 55
    """
    from rich.console import Console

    from nas_sr.benchmark.protocol import Protocol
    from nas_sr.benchmark.recording import record as record_table
    from nas_sr.config import read_yaml

    console = Console(stderr=True)
    chosen = read_yaml(protocol, Protocol) if protocol else Protocol()
    found = record_table(
        path,
        chosen,
        data,
        val,
        processes,
        math.inf if minutes is None else minutes,
        lambda text: console.print(text, highlight=False, soft_wrap=True),
    )
    _show(found, as_json)


@app.command("table")
def table(path: Path = _TABLE, as_json: bool = JSON) -> None:
    """What a recorded benchmark holds.

    \b
        nas-sr bench table --table table.parquet
    """
    from nas_sr.benchmark.table import read_table

    _show(read_table(path), as_json)


@app.command("query")
def query(
    architecture: str = typer.Argument(..., metavar="ARCH", help=ARCH_HELP),
    seed: int = typer.Option(0, "--seed", help="Seed of the training."),
    steps: int = typer.Option(800, "--steps", help="Its length."),
    path: Path = _TABLE,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """One recorded training.

    \b
        nas-sr bench query imdeception-c8 --seed 1 --steps 2400 --table table.parquet
    """
    from nas_sr.benchmark.table import read_table
    from nas_sr.names import arch

    row = read_table(path).query(arch(architecture, studies), seed, steps)
    if as_json:
        print_json(row._asdict())
    else:
        print(f"{row.psnr_db:.3f} dB" if row.psnr_db is not None else row.reason)


def _show(found: Table, as_json: bool) -> None:
    by_length: dict[tuple[str, int, int], int] = {}
    for row in found.rows.values():
        key = (found.specs[row.digest].family, row.steps, row.seed)
        by_length[key] = by_length.get(key, 0) + 1
    members = len({row.digest for row in found.rows.values()})
    if as_json:
        rows = [
            {"family": family, "steps": steps, "seed": seed, "rows": number}
            for (family, steps, seed), number in sorted(by_length.items())
        ]
        print_json({"members": members, "rows": len(found.rows), "by_length": rows, "content": found.about.content})
        return
    print(f"{members} networks, {len(found.rows)} trainings")
    for (family, steps, seed), number in sorted(by_length.items()):
        print(f"  {family:<12} {steps:>6} steps  seed {seed}  {number:>4}")
