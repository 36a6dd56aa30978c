"""What every verb prints the same way: one JSON object on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

JSON = typer.Option(False, "--json", help="Print one JSON object on standard output.")


def print_json(value: dict[str, Any]) -> None:
    """The one object; numbers that JSON cannot hold become null."""
    print(json.dumps(_plain(value), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def error_console() -> Any:
    """A rich console on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows `what` with a bar, a count and the time left, on a terminal; gives the function to report (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = error_console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
