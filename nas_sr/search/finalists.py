"""Makes a study's latencies final: the unstable are measured again, the front's networks in turn with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from nas_sr.latency import Impossible, Latency
from nas_sr.measure.latency_cache import repeats_of_finalist
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.objectives import Objective, maximised, point
from nas_sr.pareto import Point, pareto_front
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.search.runtime_psnr import compare_front
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import Target
from nas_sr.search.trial_store import write_latency

# A network that would be on the front if what is measured of it were this much better is timed with the front.
NEAR = 0.03
# Each time the networks that came onto the front are added to those that are timed together.
MOST_ROUNDS = 3

Tell = Callable[[str], None]


def finalise(store: StudyStore, target: Target, measure: Literal["all", "uncertain"], tell: Tell) -> None:
    """Measures on one target until nothing that decides its front is in doubt.

    First what is in doubt, the front's first: latencies that are not stable or of an earlier epoch and, of predicted
    ones, those on the front or, with "all", every one. Then the front, in turn with each other. Then its networks' PSNR
    in the target's runtime, which may change the front. A device that does not answer leaves them as they are.

    Args:
        store: the study, held by this search.
        target: one of its targets.
        measure: which predictions are to be replaced.
        tell: hears what is being done.
    """
    try:
        tried: set[int] = set()
        for _ in range(MOST_ROUNDS):
            _retake(store, target, measure, tried, tell)
            timed = _time_front_together(store, target, tell)
            if not timed and not compare_front(store, target.profile, tell):
                return
    except MeasurementFailed as failure:
        tell(failure.text)


def _retake(
    store: StudyStore, target: Target, measure: Literal["all", "uncertain"], tried: set[int], tell: Tell
) -> None:
    """Measures each latency in doubt once more; a figure that changes may move the front, so it is looked at anew."""
    name = target.profile.name
    while True:
        in_doubt = [trial for trial in _in_doubt(store, name, measure) if trial.number not in tried]
        if not in_doubt:
            return
        trial = in_doubt[0]
        tried.add(trial.number)
        tell(f"{name}: measuring trial {trial.number} {_why(trial.latency)}")
        try:
            taken: Measurement | Impossible = target.measured(trial.spec)
        except MeasurementFailed as failure:
            if failure.kind == "device":
                raise
            tell(failure.text)
            if failure.kind == "transient":
                continue
            taken = Impossible(target=name, reason=failure.text)
        if taken.kind == "impossible" or not _is_worse(taken, trial.latency):
            write_latency(store.latency_path(trial.number, name), taken)


def _in_doubt(store: StudyStore, name: str, measure: Literal["all", "uncertain"]) -> list[TrialRecord]:
    """Trials to measure again, the front's first."""
    study = store.record(name)
    epoch = store.epoch(name)
    trials = sorted(study.trials, key=lambda trial: trial.number not in study.front)
    return [
        trial
        for trial in trials
        if trial.repeats is None
        and trial.latency is not None
        and trial.state not in ("failed", "running")
        and (
            trial.latency.epoch != epoch or not trial.latency.stable
            if trial.latency.kind == "measured"
            else measure == "all" or trial.number in study.front
        )
    ]


def _why(latency: Latency | None) -> str:
    if latency is None or latency.kind == "predicted":
        return "that was predicted"
    return "again: it was not stable" if not latency.stable else "again: its latency is of an earlier epoch"


def _is_worse(taken: Measurement, before: Latency | None) -> bool:
    """Whether the one before is still the better one: of the same epoch, and with fewer instability_reasons."""
    if before is None or before.kind == "predicted" or before.epoch != taken.epoch or taken.stable:
        return False
    return len(taken.labels) > len(before.labels)


def _time_front_together(store: StudyStore, target: Target, tell: Tell) -> bool:
    """Times the front's networks, and those near it, in turn; whether that was needed."""
    name = target.profile.name
    study = store.record(name)
    if _is_of_one_window(study, repeats_of_finalist(target.profile)):
        return False
    group = _finalists(study)
    numbers = ", ".join(str(trial.number) for trial in group)
    tell(f"{name}: measuring the front in turn (trial{'s' if len(group) > 1 else ''} {numbers})")
    try:
        taken = target.measured_together([trial.spec for trial in group])
    except MeasurementFailed as failure:
        if failure.kind != "candidate":
            raise
        if not _drop_impossible(store, target, group, tell):
            raise
        return True
    for trial, measurement in zip(group, taken, strict=True):
        write_latency(store.latency_path(trial.number, name), measurement)
    return True


def _is_of_one_window(study: StudyRecord, repeats: int) -> bool:
    """Whether the front's order is that of measurements taken together, each with its repeats."""
    front = [study.trial(number).latency for number in study.front]
    measured = [latency for latency in front if latency is not None and latency.kind == "measured"]
    if len(measured) < len(front):  # the device does not answer: nothing can be done about it
        return True
    return len({latency.window for latency in measured}) <= 1 and all(
        len(latency.repeats) >= repeats for latency in measured
    )


def _finalists(study: StudyRecord) -> list[TrialRecord]:
    """The front, networks that a small error keeps off it, and those that were timed together with it before."""
    complete = [trial for trial in study.trials if trial.state == "complete" and trial.repeats is None]
    points = [point(trial, study.traded) for trial in complete]
    front = set(pareto_front(points, maximised(study.traded)))
    windows = {_window(complete[index]) for index in front} - {""}
    counts = [_window(trial) for trial in complete]
    together = {window for window in windows if counts.count(window) > 1}
    return [
        trial
        for index, trial in enumerate(complete)
        if index in front or counts[index] in together or _is_near(index, points, study.traded)
    ]


def _window(trial: TrialRecord) -> str:
    return trial.latency.window if trial.latency is not None and trial.latency.kind == "measured" else ""


def _is_near(index: int, points: Sequence[Point], objectives: Sequence[Objective]) -> bool:
    better = [
        value * (1 - NEAR) if objective.known == "measurement" else value
        for value, objective in zip(points[index], objectives, strict=True)
    ]
    return index in pareto_front([*points[:index], better, *points[index + 1 :]], maximised(objectives))


def _drop_impossible(store: StudyStore, target: Target, group: list[TrialRecord], tell: Tell) -> bool:
    """Finds which of some networks cannot be measured any more, each alone; whether there is one."""
    name = target.profile.name
    found = False
    for trial in group:
        try:
            target.measured_together([trial.spec])
        except MeasurementFailed as failure:
            if failure.kind != "candidate":
                raise
            tell(failure.text)
            write_latency(store.latency_path(trial.number, name), Impossible(target=name, reason=failure.text))
            found = True
    return found
