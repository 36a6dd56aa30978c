"""What a candidate is worth where some are trained longer: its PSNR after the longest rung or the audit, and whether it
is on the front.

This is the one figure that orders such a study: scores of different lengths are never compared with each other.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from nas_sr.families.base import Spec
from nas_sr.latency import Latency
from nas_sr.objectives import PSNR, Objective
from nas_sr.pareto import pareto_front
from nas_sr.records import LongEstimate, Score, TrialRecord
from nas_sr.search import fidelity
from nas_sr.search.fidelity import FidelityModel
from nas_sr.search.racing import Costs, front_probability, ties

# Of a measured figure, which is the median of many samples; their spread is ten times that.
_MEASURED_SD, _SHARE_OF_SPREAD = 0.005, 0.1
_OF_PREDICTED = 2.56  # the interval of four in five networks, in standard deviations


class Raced:
    """The complete candidates of a study, each once, and the model of their scores."""

    def __init__(self, trials: Sequence[TrialRecord], scores: Mapping[int, Sequence[Score]], longest: int) -> None:
        self.trials = [trial for trial in trials if trial.number in scores and trial.state == "complete"]
        self.scores = [tuple(scores[trial.number]) for trial in self.trials]
        self.longest = longest
        specs = tuple(trial.spec for trial in self.trials)
        known = tuple(
            fidelity.Score(index, score.seed, score.steps, score.psnr_db)
            for index, of_trial in enumerate(self.scores)
            for score in of_trial
            if score.psnr_db is not None
        )
        self.model = _fitted(specs, (*known, *self._inherited(known), *self._full_trainings())) if known else None

    def _inherited(self, known: Sequence[fidelity.Score]) -> list[fidelity.Score]:
        """Scores of inherited weights, as far apart as those of the first trainings, and as far from long training."""
        values = np.array([np.nan if trial.inherited_db is None else trial.inherited_db for trial in self.trials])
        there = np.flatnonzero(np.isfinite(values))
        if len(there) < 2:
            return []
        first = min(score.steps for score in known)
        brief_db = np.array([score.psnr_db for score in known if score.steps == first])
        scaled_db = standardised(values[there]) * brief_db.std()
        return [
            fidelity.Score(int(index), 0, first, float(value), "inherited")
            for index, value in zip(there, scaled_db, strict=True)
        ]

    def _full_trainings(self) -> list[fidelity.Score]:
        """Those of bundles, by the one protocol that most have: others are not comparable. One alone says nothing."""
        by_protocol: dict[str, list[fidelity.Score]] = {}
        for index, trial in enumerate(self.trials):
            for each in trial.full_training:
                score = fidelity.Score(index, 0, self.longest, each.psnr_db, "full_training")
                by_protocol.setdefault(each.protocol, []).append(score)
        most = max(by_protocol.values(), key=len, default=[])
        return most if len(most) > 1 else []

    def costs(self, objectives: Sequence[Objective]) -> Costs:
        """Everything but PSNR, on the target of these trials."""
        others = [each for each in objectives if each is not PSNR]
        signs = np.array([-1.0 if each.maximise else 1.0 for each in others])
        values = np.array([[each.value(trial) for each in others] for trial in self.trials], dtype=float)
        spread = [[_relative_sd(trial.latency) if each.per_target else 0.0 for each in others] for trial in self.trials]
        return Costs(values * signs, np.array(spread))


def with_combined(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The same trials of evaluator `combined`, with the sum of both scores as their PSNR.

    Each is standardised over the complete networks, and the sum has the mean and spread of the scores from scratch:
    it ranks, and is no network's PSNR. With trainings beyond the first, `with_estimates` takes its place.
    """
    complete = {
        trial.spec.digest: trial for trial in trials if trial.state == "complete" and trial.inherited_db is not None
    }
    scratch_db = np.array([trial.scratch_db for trial in complete.values()], dtype=float)
    inherited_db = np.array([trial.inherited_db for trial in complete.values()], dtype=float)
    if len(complete) < 2:
        return list(trials)
    summed = standardised(standardised(scratch_db) + standardised(inherited_db))
    found = dict(zip(complete, scratch_db.mean() + scratch_db.std() * summed, strict=True))
    return [
        trial.model_copy(update={"psnr_db": float(found[trial.spec.digest]) + _of_runtime_db(trial)})
        if trial.psnr_db is not None and trial.spec.digest in found
        else trial
        for trial in trials
    ]


def standardised(values: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1; zeros where all are equal."""
    spread = values.std()
    return (values - values.mean()) / (spread if spread > 0 else 1.0)


def with_estimates(
    trials: Sequence[TrialRecord],
    scores: Mapping[int, Sequence[Score]],
    longest: int,
    objectives: Sequence[Objective],
) -> list[TrialRecord]:
    """The same trials on one target; the complete ones have their scores and an estimate, which becomes their PSNR."""
    raced = Raced(trials, scores, longest)
    if raced.model is None:
        return list(trials)
    estimate, costs = raced.model.after(raced.longest), raced.costs(objectives)
    probability = front_probability(estimate, costs)
    numbers = [trial.number for trial in raced.trials]
    front = pareto_front(
        [(mean, *-values) for mean, values in zip(estimate.mean_db, costs.values, strict=True)],
        [True] * (1 + costs.values.shape[1]),
    )
    tied: dict[int, list[int]] = {index: [] for index in range(len(numbers))}
    for pair in ties(estimate, costs, front):
        for one, other in (pair, pair[::-1]):
            tied[one].append(numbers[other])
    found = {
        trial.spec.digest: LongEstimate(
            steps=raced.longest,
            mean_db=float(estimate.mean_db[index]),
            sd_db=float(estimate.sd_db[index]),
            front_probability=float(probability[index]),
            ties=tuple(sorted(tied[index])),
        )
        for index, trial in enumerate(raced.trials)
    }
    return [
        trial.model_copy(
            update={
                "psnr_db": found[trial.spec.digest].mean_db + _of_runtime_db(trial),
                "estimate": found[trial.spec.digest],
                "scores": tuple(scores.get(trial.number if trial.repeats is None else trial.repeats, ())),
            }
        )
        if trial.psnr_db is not None and trial.spec.digest in found
        else trial
        for trial in trials
    ]


def _of_runtime_db(trial: TrialRecord) -> float:
    """What the target's runtime adds to PyTorch's PSNR, where that counts."""
    return trial.runtime_psnr.difference_db if trial.runtime_psnr and trial.runtime_psnr.decides else 0.0


def _relative_sd(latency: Latency | None) -> float:
    if latency is None:
        return _MEASURED_SD
    spread = (latency.high_ms - latency.low_ms) / latency.latency_ms
    if latency.kind == "predicted":
        return spread / _OF_PREDICTED
    return max(_MEASURED_SD, _SHARE_OF_SPREAD * spread)


@functools.lru_cache(maxsize=8)
def _fitted(specs: tuple[Spec, ...], scores: tuple[fidelity.Score, ...]) -> FidelityModel:
    return FidelityModel(specs, scores)
