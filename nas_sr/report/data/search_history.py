"""How a search went: hypervolume over trials, training curves, and which parameters matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nas_sr.quantities import volume_unit
from nas_sr.records import StudyRecord
from nas_sr.report.data.latencies import measurements
from nas_sr.report.data.trial_info import knee_of


class Hypervolume(NamedTuple):
    """Hypervolume after each trial that was told."""

    unit: str
    trials: tuple[int, ...]
    values: tuple[float, ...]
    steps: tuple[int, ...]  # that all trials up to each had been trained for, longer trainings left out


class Drift(NamedTuple):
    """How fast the reference network was beside each measurement, in their order."""

    at: tuple[str, ...]  # ISO 8601, UTC
    trials: tuple[int, ...]
    reference_ms: tuple[float, ...]
    stable: tuple[bool, ...]


class Curve(NamedTuple):
    """Validation PSNR over the training steps of one trial."""

    trial: int
    on_front: bool  # of any target
    steps: tuple[int, ...]
    psnr_db: tuple[float, ...]


class Importance(NamedTuple):
    """How much of each objective's variation one parameter explains, objective -> share."""

    parameter: str
    shares: dict[str, float]


def hypervolume_history(study: StudyRecord) -> Hypervolume:
    """Empty before the first complete trial."""
    trials, values = zip(*study.hypervolume_history, strict=True) if study.hypervolume_history else ((), ())
    taken = 0
    steps: dict[int, int] = {}
    for trial in study.trials:
        taken += trial.curve[-1].step if trial.curve and trial.repeats is None else 0
        steps[trial.number] = taken
    return Hypervolume(volume_unit(study.traded), trials, values, tuple(steps.get(trial, taken) for trial in trials))


def drift(study: StudyRecord) -> Drift:
    """Empty where nothing was measured beside a reference network."""
    taken = sorted((one.measured_at, number, one) for number, one in measurements(study).items() if one.reference_ms)
    return Drift(
        tuple(at for at, _, _ in taken),
        tuple(number for _, number, _ in taken),
        tuple(one.reference_latency_ms for _, _, one in taken),
        tuple(one.stable for _, _, one in taken),
    )


def curves(studies: Sequence[StudyRecord]) -> tuple[Curve, ...]:
    """Training curves in trial order, the same on every target; trials without a validation are left out."""
    on_front = {number for study in studies for number in study.front}
    found = []
    for trial in studies[0].trials:
        finite = [point for point in trial.curve if math.isfinite(point.psnr_db)]
        if finite:
            steps = tuple(point.step for point in finite)
            psnr_db = tuple(point.psnr_db for point in finite)
            found.append(Curve(trial.number, trial.number in on_front, steps, psnr_db))
    return tuple(found)


def knees(studies: Sequence[StudyRecord]) -> dict[int, tuple[str, ...]]:
    """Trials at the knee of a front, each with the targets whose knee it is."""
    found: dict[int, tuple[str, ...]] = {}
    for study in studies:
        if study.front:
            number = knee_of(study).number
            found[number] = (*found.get(number, ()), study.target)
    return found


def importances(study: StudyRecord) -> tuple[Importance, ...]:
    """Parameters with their shares, the most important for any objective first; empty with too few trials."""
    parameters = {name for shares in study.importances.values() for name in shares}
    found = [
        Importance(
            parameter, {objective: shares.get(parameter, 0.0) for objective, shares in study.importances.items()}
        )
        for parameter in parameters
    ]
    return tuple(sorted(found, key=lambda one: (-max(one.shares.values()), one.parameter)))
