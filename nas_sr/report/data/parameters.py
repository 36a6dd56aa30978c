"""Parameters of a study's complete trials beside what came of them: for parallel coordinates and marginal effects."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from nas_sr.objectives import Objective
from nas_sr.quantities import significant
from nas_sr.records import StudyRecord, TrialRecord


class Axis(NamedTuple):
    """A parameter or an objective: places from 0 to 1 for each trial, None where it has no value."""

    title: str
    low: str  # what stands at 0
    high: str
    places: tuple[float | None, ...]


class Lines(NamedTuple):
    """Each complete trial as a line through all axes."""

    trials: tuple[int, ...]
    on_front: tuple[bool, ...]
    axes: tuple[Axis, ...]


class Effect(NamedTuple):
    """What trials with one value of a parameter came to, on average over all others."""

    parameter: str
    value: str
    trials: int
    psnr_db: float
    sd_db: float
    latency_ms: float


def lines(study: StudyRecord) -> Lines:
    """Parameters in the sampler's order, those with one value left out; then the objectives that the front trades."""
    trials = _complete(study)
    axes = [_parameter(name, [trial.params.get(name) for trial in trials]) for name in _varied(trials)]
    axes += [_objective(each, trials) for each in study.traded]
    numbers = tuple(trial.number for trial in trials)
    return Lines(numbers, tuple(number in study.front for number in numbers), tuple(axes))


def effects(study: StudyRecord, most: int = 8) -> tuple[Effect, ...]:
    """Of each parameter with at most `most` values, by value."""
    trials = [trial for trial in _complete(study) if _finite(trial.psnr_db) and _finite(trial.latency_ms)]
    found = []
    for name in _varied(trials):
        groups: dict[str, list[TrialRecord]] = defaultdict(list)
        for value in _ordered({_key(trial.params.get(name)): trial.params.get(name) for trial in trials}):
            groups[value] = [trial for trial in trials if _key(trial.params.get(name)) == value]
        for value, group in groups.items() if len(groups) <= most else ():
            psnrs = [trial.psnr_db or 0.0 for trial in group]
            latencies = [trial.latency_ms or 0.0 for trial in group]
            mean_ms = float(np.mean(latencies))
            found.append(Effect(name, value, len(group), float(np.mean(psnrs)), float(np.std(psnrs)), mean_ms))
    return tuple(found)


def _complete(study: StudyRecord) -> list[TrialRecord]:
    return [trial for trial in study.trials if trial.state == "complete" and trial.repeats is None]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _varied(trials: list[TrialRecord]) -> list[str]:
    names = dict.fromkeys(name for trial in trials for name in trial.params)
    return [name for name in names if len({_key(trial.params.get(name)) for trial in trials}) > 1]


def _key(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)


def _ordered(values: dict[str, Any]) -> list[str]:
    """Numbers by size, before everything else."""

    def order(key: str) -> tuple[bool, float, str]:
        number = isinstance(values[key], int | float)
        return not number, float(values[key]) if number else 0.0, key

    return sorted(values, key=order)


def _parameter(name: str, values: list[Any]) -> Axis:
    """Places by rank, so that 4, 8, 16 lie at equal distances."""
    known = {_key(value): value for value in values if value is not None}
    ranks = {key: place / max(1, len(known) - 1) for place, key in enumerate(_ordered(known))}
    ends = list(ranks) or [""]
    return Axis(name, ends[0], ends[-1], tuple(None if value is None else ranks[_key(value)] for value in values))


def _objective(objective: Objective, trials: list[TrialRecord]) -> Axis:
    """The better, the higher."""
    values = [value if _finite(value := objective.value(trial)) else None for trial in trials]
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    span = (high - low) or 1.0
    worst, best = (low, high) if objective.maximise else (high, low)
    places = tuple(None if value is None else abs(value - worst) / span for value in values)
    texts = [f"{significant(end, 4)} {objective.unit}".strip() for end in (worst, best)]
    return Axis(objective.title, texts[0], texts[1], places)
