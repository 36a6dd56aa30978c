"""Makes a front's latencies final: what was predicted is measured, and what may be chosen is measured repeatedly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.latency import Impossible, Latency, write_latency
from nas_sr.latency.latency_cache import repeats_of_finalist
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import Target


def settle(
    store: StudyStore, target: Target, measure: Literal["all", "uncertain"], tell: Callable[[str], None]
) -> None:
    """Measures on one target until nothing on its front is predicted or lacks its repeats.

    A figure that changes may move the front, so it is looked at anew after each. With "all", every other predicted
    latency is measured too. A device that does not answer leaves them as they are.

    Args:
        store: the study, held by this search.
        target: one of its targets.
        measure: which predictions are to be replaced.
        tell: hears what is being done.
    """
    name = target.profile.name
    tried: set[tuple[int, bool]] = set()
    while True:
        unsettled = _unsettled(store.record(name), target, measure)
        trial, final = next(
            ((each, final) for each, final in unsettled if (each.number, final) not in tried), (None, False)
        )
        if trial is None:
            return
        tried.add((trial.number, final))
        tell(f"{name}: measuring trial {trial.number} {'as a finalist' if final else 'that was predicted'}")
        kept: Latency | Impossible
        try:
            kept = target.measured(trial.spec, final=final)
        except MeasurementFailed as failure:
            tell(failure.text)
            if failure.kind == "device":
                return
            if failure.kind == "passing":
                continue
            kept = Impossible(target=name, reason=failure.text)
        write_latency(store.latency_path(trial.number, name), kept)


def _unsettled(
    study: StudyRecord, target: Target, measure: Literal["all", "uncertain"]
) -> Iterator[tuple[TrialRecord, bool]]:
    """Trials to measure, the front's first, and whether as finalists."""
    repeats = repeats_of_finalist(target.profile)
    front = [study.trial(number) for number in study.front]
    rest = [trial for trial in study.trials if trial.state in ("complete", "infeasible")] if measure == "all" else []
    for trial in [*front, *rest]:
        latency = trial.latency
        if latency is None or trial.repeats is not None:
            continue
        if latency.kind == "predicted":
            yield trial, False
        elif trial.number in study.front and len(latency.repeats) < repeats:
            yield trial, True
