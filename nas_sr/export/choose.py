"""Which trial of a study to export: by number, or by what the user can afford."""

from __future__ import annotations

from nas_sr.errors import UsageError
from nas_sr.pareto import knee
from nas_sr.records import StudyRecord, TrialRecord


def by_number(study: StudyRecord, number: int) -> TrialRecord:
    """The complete trial of that number; for a repeat, the trial that it repeats."""
    complete = {trial.number: trial for trial in study.trials if trial.state == "complete"}
    if number in complete:
        trial = complete[number]
        return trial if trial.repeats is None else complete[trial.repeats]
    state = next((f"is {trial.state}" for trial in study.trials if trial.number == number), "does not exist")
    known = ", ".join(map(str, sorted(complete))) or "none"
    raise UsageError(f"study '{study.name}': trial {number} {state}; complete trials: {known}")


def at_knee(study: StudyRecord) -> TrialRecord:
    """The front's point of best trade: where more PSNR begins to cost the most latency."""
    front = _front(study)
    return front[knee([_point(trial) for trial in front])]


def within_latency(study: StudyRecord, max_latency_ms: float) -> TrialRecord:
    """The front's best PSNR that is fast enough."""
    front = _front(study)
    fitting = [trial for trial in front if _point(trial)[1] <= max_latency_ms]
    if not fitting:
        raise UsageError(
            f"study '{study.name}': no network within {max_latency_ms:g} ms;"
            f" the fastest is trial {front[0].number} with {front[0].latency_ms:.2f} ms"
        )
    return fitting[-1]


def above_psnr(study: StudyRecord, min_psnr_db: float) -> TrialRecord:
    """The front's fastest network that is good enough."""
    front = _front(study)
    for trial in front:
        if _point(trial)[0] >= min_psnr_db:
            return trial
    raise UsageError(
        f"study '{study.name}': no network reaches {min_psnr_db:g} dB;"
        f" the best is trial {front[-1].number} with {front[-1].psnr_db:.3f} dB"
    )


def _front(study: StudyRecord) -> list[TrialRecord]:
    """Complete Pareto-optimal trials, fastest (and therefore lowest PSNR) first."""
    if not study.front:
        raise UsageError(f"study '{study.name}': no complete trial yet; give `nas-sr search` a larger --budget")
    return [study.trial(number) for number in study.front]


def _point(trial: TrialRecord) -> tuple[float, float]:
    assert trial.psnr_db is not None
    assert trial.latency_ms is not None
    return trial.psnr_db, trial.latency_ms
