"""What a candidate of a study with racing is worth: its PSNR after the longest rung, and whether it is on the front.

This is the one figure that orders such a study: scores of different lengths are never compared with each other.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from nas_sr.config import Racing
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

    def __init__(self, trials: Sequence[TrialRecord], scores: Mapping[int, Sequence[Score]], racing: Racing) -> None:
        self.trials = [trial for trial in trials if trial.number in scores and trial.state == "complete"]
        self.scores = [tuple(scores[trial.number]) for trial in self.trials]
        self.longest = racing.rungs[-1]
        specs = tuple(trial.spec for trial in self.trials)
        known = tuple(
            fidelity.Score(index, score.seed, score.steps, score.psnr_db)
            for index, of_trial in enumerate(self.scores)
            for score in of_trial
            if score.psnr_db is not None
        )
        self.model = _fitted(specs, known) if known else None

    def costs(self, objectives: Sequence[Objective]) -> Costs:
        """Everything but PSNR, on the target of these trials."""
        others = [each for each in objectives if each is not PSNR]
        signs = np.array([-1.0 if each.maximise else 1.0 for each in others])
        values = np.array([[each.value(trial) for each in others] for trial in self.trials], dtype=float)
        spread = [[_relative_sd(trial.latency) if each.per_target else 0.0 for each in others] for trial in self.trials]
        return Costs(values * signs, np.array(spread))


def with_estimates(
    trials: Sequence[TrialRecord],
    scores: Mapping[int, Sequence[Score]],
    racing: Racing,
    objectives: Sequence[Objective],
) -> list[TrialRecord]:
    """The same trials on one target; the complete ones have their scores and an estimate, which becomes their PSNR."""
    raced = Raced(trials, scores, racing)
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
