"""How far a candidate got and what became of it: values that cross process borders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

from nas_sr.files import write_json


class Reached(NamedTuple):
    """A stage begun, or a validation inside `training`."""

    stage: Literal["latency", "training"]
    step: int = 0
    steps: int = 0
    psnr_db: float | None = None
    latencies_ms: tuple[float, ...] = ()


class Outcome(NamedTuple):
    """`psnr_db` is there when complete; `latencies_ms` holds one figure a target when complete, fewer when infeasible.

    Interrupted: the device is gone and nothing can be said; the candidate is to be proposed again.
    `reason` says why it is not complete or, when it is, what a reader must know of its figures.
    """

    state: Literal["complete", "infeasible", "failed", "interrupted"]
    psnr_db: float | None = None
    latencies_ms: tuple[float, ...] = ()
    reason: str = ""


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keeps the outcome on disk, so that a search killed before telling the study does not lose it."""
    write_json(folder / "result.json", outcome._asdict())


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome on disk, if the candidate got that far."""
    try:
        value = json.loads((folder / "result.json").read_text())
        return Outcome(**{**value, "latencies_ms": tuple(value["latencies_ms"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
