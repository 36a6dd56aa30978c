"""What every verb prints the same way: one JSON object on standard output."""

from __future__ import annotations

import json
import math
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
