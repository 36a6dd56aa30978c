"""Which trial of a study to export: by number, or by what the user can afford."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from nas_sr.errors import UsageError
from nas_sr.objectives import LATENCY, Objective, exceeded, named
from nas_sr.records import StudyRecord, TrialRecord

NO_LIMITS: Mapping[str, float] = MappingProxyType({})


def by_number(study: StudyRecord, number: int) -> TrialRecord:
    """The complete trial of that number; for a repeat, the trial that it repeats."""
    complete = {trial.number: trial for trial in study.trials if trial.state == "complete"}
    if number in complete:
        trial = complete[number]
        return trial if trial.repeats is None else complete[trial.repeats]
    state = next((f"is {trial.state}" for trial in study.trials if trial.number == number), "does not exist")
    known = ", ".join(map(str, sorted(complete))) or "none"
    raise UsageError(f"study '{study.name}': trial {number} {state}; complete trials: {known}")


def by_rule(
    study: StudyRecord,
    limits: Mapping[str, float],
    max_latency_ms: float | None,
    min_psnr_db: float | None,
    knee: bool,
) -> TrialRecord:
    """By the one of the rules below that is asked for; the best PSNR within the limits if none is."""
    if max_latency_ms is not None:
        return within_latency(study, max_latency_ms, limits)
    if min_psnr_db is not None:
        return above_psnr(study, min_psnr_db, limits)
    return at_knee(study, limits) if knee else within_limits(study, limits)


def at_knee(study: StudyRecord, limits: Mapping[str, float] = NO_LIMITS) -> TrialRecord:
    """The front's point of best trade, see `pareto.knee`; with limits, of those members that are within them."""
    return study.at_knee(_front(study, limits))


def within_latency(study: StudyRecord, max_latency_ms: float, limits: Mapping[str, float] = NO_LIMITS) -> TrialRecord:
    """The front's best PSNR that is fast enough."""
    front = _front(study, limits)
    fitting = [trial for trial in front if _latency_ms(trial) <= max_latency_ms]
    if not fitting:
        fastest = min(front, key=_latency_ms)
        raise UsageError(
            f"study '{study.name}': no network within {max_latency_ms:g} ms;"
            f" the fastest is trial {fastest.number} with {LATENCY.text(fastest.latency_ms)}"
        )
    return _best(fitting)


def above_psnr(study: StudyRecord, min_psnr_db: float, limits: Mapping[str, float] = NO_LIMITS) -> TrialRecord:
    """The front's fastest network that is good enough; of equally fast ones the best."""
    front = _front(study, limits)
    fitting = [trial for trial in front if _psnr_db(trial) >= min_psnr_db]
    if not fitting:
        best = _best(front)
        raise UsageError(
            f"study '{study.name}': no network reaches {min_psnr_db:g} dB;"
            f" the best is trial {best.number} with {best.psnr_db:.3f} dB"
        )
    return min(fitting, key=lambda trial: (_latency_ms(trial), -_psnr_db(trial)))


def within_limits(study: StudyRecord, limits: Mapping[str, float]) -> TrialRecord:
    """The front's best PSNR within all limits."""
    return _best(_front(study, limits))


def _front(study: StudyRecord, limits: Mapping[str, float]) -> list[TrialRecord]:
    """Complete Pareto-optimal trials within the limits, in the front's order.

    Raises:
        UsageError: there is none, or a limit is of an objective that a member of the front has no value for.
    """
    if not study.front:
        raise UsageError(f"study '{study.name}': no complete trial yet; give `nas-sr search` a larger --budget")
    front = [study.trial(number) for number in study.front]
    for name in limits:
        if any(named(name).value(trial) is None for trial in front):
            raise UsageError(f"study '{study.name}': its trials have no {name} on {study.target}")
    within = [trial for trial in front if not exceeded(trial, limits, study.target)]
    if not within:
        nearest = "; ".join(_nearest(front, named(name)) for name in limits)
        raise UsageError(f"study '{study.name}': no network of the front is within all limits; {nearest}")
    return within


def _nearest(front: Sequence[TrialRecord], objective: Objective) -> str:
    value, number = min((objective.excess(objective.value(trial) or 0.0, 0.0), trial.number) for trial in front)
    side = "most" if objective.maximise else "least"
    return f"the {side} {objective.name} is {objective.text(abs(value))} of trial {number}"


def _best(trials: Sequence[TrialRecord]) -> TrialRecord:
    return max(trials, key=_psnr_db)


def _psnr_db(trial: TrialRecord) -> float:
    assert trial.psnr_db is not None
    return trial.psnr_db


def _latency_ms(trial: TrialRecord) -> float:
    assert trial.latency_ms is not None
    return trial.latency_ms
