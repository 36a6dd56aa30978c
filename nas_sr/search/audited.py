"""Which candidates an audit trains, and what their trainings say of the study's front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas_sr.audit_record import Audit, AuditedNetwork, RankAgreement, Regret
from nas_sr.objectives import PSNR
from nas_sr.rank_agreement import agreement, noise_ceiling
from nas_sr.records import Score, StudyRecord, TrialRecord
from nas_sr.search.estimates import Raced

_DRAWS = 400


def chosen(study: StudyRecord, number: int) -> list[TrialRecord]:
    """The candidates to audit, fastest first: the front, then what most likely belongs on it or is nearest behind it.

    Of a front with more members those evenly along it. The others are dealt over cost: of what is slower than one
    member and faster than the next, one after another takes its best.

    Args:
        study: as its search left it.
        number: how many, if the study has so many.
    """
    front = [study.trial(each) for each in study.front]
    if len(front) >= number:
        return [front[round(place)] for place in np.linspace(0, len(front) - 1, number)]
    front_ms = [_ms(trial) for trial in front]
    behind: dict[int, list[TrialRecord]] = {}
    for trial in study.trials:
        if trial.state == "complete" and trial.repeats is None and trial.number not in study.front:
            behind.setdefault(int(np.searchsorted(front_ms, _ms(trial), side="right")), []).append(trial)
    for stretch in behind.values():
        stretch.sort(key=lambda trial: _promise(trial, front), reverse=True)
    others: list[TrialRecord] = []
    while len(front) + len(others) < number and any(behind.values()):
        best = [stretch.pop(0) for stretch in behind.values() if stretch]
        others += sorted(best, key=lambda trial: _promise(trial, front), reverse=True)
    return sorted([*front, *others[: number - len(front)]], key=lambda trial: (_ms(trial), trial.number))


def _promise(trial: TrialRecord, front: Sequence[TrialRecord]) -> tuple[float, float]:
    """Its probability of being on the front; then by how little its PSNR falls short of what is no slower [dB]."""
    probability = trial.estimate.front_probability if trial.estimate else 0.0
    best = max((_db(other) for other in front if _ms(other) <= _ms(trial)), default=_db(trial))
    return round(probability, 3), _db(trial) - best


def audited_networks(study: StudyRecord, trials: Sequence[TrialRecord]) -> tuple[AuditedNetwork, ...]:
    """What is known of candidates before their audit."""
    return tuple(
        AuditedNetwork(
            number=trial.number,
            label=trial.preset or trial.spec.label(),
            on_front=trial.number in study.front,
            latency_ms=_ms(trial),
            macs_g=trial.counts.macs_g,
            search_db=_db(trial),
        )
        for trial in trials
    )


def concluded(audit: Audit, study: StudyRecord, scores: Mapping[int, Sequence[Score]]) -> Audit:
    """An audit with what its trainings have come to so far.

    Args:
        audit: with its networks as they were before.
        study: with the audit's trainings counted.
        scores: of every trial, likewise.
    """
    told = {
        (number, score.seed): score
        for number, each in scores.items()
        for score in each
        if score.audit and (score.steps == audit.steps or score.psnr_db is None)
    }
    networks = []
    for network in audit.networks:
        found = [told.get((network.number, seed)) for seed in audit.seeds]
        estimate = study.trial(network.number).estimate
        update = {
            "psnr_db": tuple(score.psnr_db if score else None for score in found),
            "front_probability": estimate.front_probability if estimate else None,
        }
        networks.append(network.model_copy(update=update))
    wanted = [(network.number, seed) for network in networks for seed in audit.seeds]
    trained = [network for network in networks if network.mean_db is not None]
    state: dict[str, Any] = {
        "networks": tuple(networks),
        "missing": sum(each not in told for each in wanted),
        "failed": sum(each in told and told[each].psnr_db is None for each in wanted),
    }
    figures = {"regret": _regret(trained, study, scores, audit.steps), **_agreements(trained)}
    return audit.model_copy(update=state | figures)


def _agreements(trained: Sequence[AuditedNetwork]) -> dict[str, Any]:
    if len(trained) < 3:
        return {"search": None, "macs": None, "ceiling": None}
    reference = np.array([[np.nan if each is None else each for each in network.psnr_db] for network in trained]).T
    mean_db = np.nanmean(reference, axis=0)
    return {
        "search": _ranked(np.array([network.search_db for network in trained]), mean_db),
        "macs": _ranked(np.array([network.macs_g for network in trained]), mean_db),
        "ceiling": noise_ceiling(reference),
    }


def _ranked(figure: np.ndarray, mean_db: np.ndarray) -> RankAgreement:
    found = agreement(figure, mean_db)
    tau, low, high = (None if np.isnan(each) else each for each in found)
    return RankAgreement(tau=tau, low=low, high=high)


def _regret(
    trained: Sequence[AuditedNetwork], study: StudyRecord, scores: Mapping[int, Sequence[Score]], steps: int
) -> Regret | None:
    if len(trained) < 2 or not any(network.on_front for network in trained):
        return None
    limits_ms = np.array([network.latency_ms for network in trained])
    search_db = np.array([network.search_db if network.on_front else -np.inf for network in trained])
    mean_db = np.array([network.mean_db for network in trained])
    lost_db = regret_db(mean_db, search_db, limits_ms)
    worst = int(np.nanargmax(lost_db))
    raced = Raced(study.trials, scores, steps)
    assert raced.model is not None
    places = {trial.number: place for place, trial in enumerate(raced.trials)}
    drawn = raced.model.after(steps).drawn(_DRAWS, 0)[:, [places[network.number] for network in trained]]
    possible = [np.nanmean(regret_db(each, search_db, limits_ms)) for each in drawn]
    low, high = np.quantile(possible, [0.05, 0.95])
    return Regret(
        mean_db=float(np.nanmean(lost_db)),
        low_db=float(low),
        high_db=float(high),
        largest_db=float(lost_db[worst]),
        largest_within_ms=float(limits_ms[worst]),
    )


def regret_db(psnr_db: np.ndarray, search_db: np.ndarray, latency_ms: np.ndarray) -> np.ndarray:
    """What is lost within the latency of each of n networks, (n,) [dB]; NaN where the search offers nothing so fast.

    Args:
        psnr_db: what each really has, (n,).
        search_db: what the search takes each member of its front for, (n,); minus infinity for the others.
        latency_ms: (n,).
    """
    within = latency_ms <= latency_ms[:, None]
    offered = np.where(within, search_db, -np.inf)
    best = np.where(within, psnr_db, -np.inf).max(axis=1)
    return np.where(np.isfinite(offered.max(axis=1)), best - psnr_db[offered.argmax(axis=1)], np.nan)


def _ms(trial: TrialRecord) -> float:
    assert trial.latency_ms is not None
    return trial.latency_ms


def _db(trial: TrialRecord) -> float:
    value = PSNR.value(trial)
    assert value is not None
    return value
