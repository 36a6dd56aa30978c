"""Whether a candidate whose latency is known need not be trained, because it would surely be behind the front.

Its PSNR is predicted from the scores of the study's complete trials, by the model of fidelity.py. It is behind on a
target where a complete trial costs no more and has more PSNR than a one-sided bound on the candidate's; it need not be
trained where it is behind on every target. The bound is `LEVEL`: of networks whose score is the bound or more, hardly
one in twenty is given up.

The bound is as far above the mean as both of two views of the error ask for: the model's own standard deviation, and
the errors that it makes at the study's trials, each left out in turn (a rank among n + 1 equals, as in conformal
prediction), which holds where the model is wrong about its own error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.registry import parse_spec
from nas_sr.latency import Latency, is_over
from nas_sr.measure.measurement import Measurement
from nas_sr.objectives import PSNR, all_named, exceeded, maximised, point
from nas_sr.predict.prediction import Prediction
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.fidelity import FidelityModel, Score
from nas_sr.search.outcome import Figures
from nas_sr.search.trial_store import (
    figures_file,
    latency_file,
    read_figures,
    read_latency,
    read_outcome,
    read_runtime_psnr,
    read_scores,
    runtime_psnr_file,
)

LEVEL = 0.95
FEWEST = 20  # complete trials; of fewer, not even the largest error is a bound of that level


class Complete(NamedTuple):
    """A trial that may be on the front, on each target."""

    number: int
    spec: Spec
    score_db: float  # of the search's own training
    psnr_db: tuple[float, ...]  # on each target
    costs: tuple[tuple[float, ...], ...]  # on each target: all objectives but PSNR, less is better, at their upper end
    longer: tuple[tuple[int, int, float], ...] = ()  # further trainings: seed, steps, PSNR


class Behind(NamedTuple):
    """Why a candidate is not trained."""

    reason: str
    ahead: tuple[int, ...]  # on each target, the trial that it is behind


def surely_behind(evaluation: Evaluation, found: Sequence[Figures], targets: Sequence[str]) -> Behind | None:
    """Of a candidate whose figures are known on every target, all but PSNR; None where it is worth training.

    Reads what is on disk: what other workers have told by now. A front only grows, so that nothing is behind because
    outcomes came in another order; see StudyStore.wrongly_pruned for what a later measurement takes back.
    """
    complete = complete_trials(evaluation, targets)
    if len(complete) < FEWEST:
        return None
    rivals = [
        [place for place, trial in enumerate(complete) if _no_dearer(trial.costs[index], figures, evaluation)]
        for index, figures in enumerate(found)
    ]
    if not all(rivals):
        return None
    bounds_db, mean_db, levels_db, steps = _bounds(evaluation, complete, found[0].spec)
    ahead = []
    for index, of_target in enumerate(rivals):
        above_db = {place: levels_db[place][index] - bounds_db[place] for place in of_target}
        ahead.append(max(of_target, key=above_db.__getitem__))
        if above_db[ahead[-1]] <= 0:
            return None
    first = ahead[0]
    reason = (
        f"not trained: surely behind the front: predicted {mean_db:.3f} dB after {steps} steps, below"
        f" {bounds_db[first]:.3f} dB with {LEVEL:.0%} probability, where trial {complete[first].number} has"
        f" {levels_db[first][0]:.3f} dB and costs no more"
    )
    return Behind(reason, tuple(complete[place].number for place in ahead))


def complete_trials(evaluation: Evaluation, targets: Sequence[str]) -> list[Complete]:
    """Every trial that is complete, and within the limits, by what lies on disk now."""
    found = []
    for folder in (Path(evaluation.study_dir) / "trials").iterdir():
        outcome = read_outcome(folder)
        if outcome is None or outcome.psnr_db is None:
            continue
        try:
            spec = parse_spec(json.loads((folder / "spec.json").read_text()))
        except (OSError, ValueError, UsageError):
            continue
        psnr_db, costs = [], []
        for index, (target, limit_ms) in enumerate(zip(targets, evaluation.limits_ms, strict=True)):
            latency = read_latency(latency_file(folder, index, target))
            if not isinstance(latency, Measurement | Prediction):
                break
            if limit_ms is not None and is_over(latency, limit_ms):
                break
            in_runtime = read_runtime_psnr(runtime_psnr_file(folder, index, target))
            psnr_db.append(outcome.psnr_db + (in_runtime.difference_db if in_runtime and in_runtime.decides else 0.0))
            kept = read_figures(figures_file(folder, index, target))
            figures = Figures(spec, psnr_db[-1], latency.latency_ms, latency, kept)
            if exceeded(figures, evaluation.limits):
                break
            costs.append(_costs(evaluation, figures, upper=True))
        else:
            longer = tuple((s.seed, s.steps, s.psnr_db) for s in read_scores(folder) if s.psnr_db is not None)
            found.append(Complete(int(folder.name), spec, outcome.psnr_db, tuple(psnr_db), tuple(costs), longer))
    return sorted(found)


def error_factor(model: FidelityModel) -> float:
    """How many standard deviations above a prediction the bound is, by what the model says of each score from the
    others."""
    errors = np.sort(model.left_out())
    rank = math.ceil((len(errors) + 1) * LEVEL)
    return max(NormalDist().inv_cdf(LEVEL), float(errors[min(rank, len(errors)) - 1]))


def _bounds(
    evaluation: Evaluation, complete: Sequence[Complete], spec: Spec
) -> tuple[list[float], float, list[tuple[float, ...]], int]:
    """Against each complete trial: the bound on the candidate's PSNR; its mean; their PSNR on each target; the steps
    after which all of these are.

    Without racing the front is one of scores, and what is bounded is the candidate's next. With racing it is one of
    estimates after the longest rung, and what is bounded is the difference of two of them.
    """
    specs, steps, mine = [*(trial.spec for trial in complete), spec], evaluation.training.steps, len(complete)
    first = [Score(place, 0, steps, trial.score_db) for place, trial in enumerate(complete)]
    model = FidelityModel(specs, first)
    factor = error_factor(model)
    if evaluation.longest_rung is None:
        mean_db, sd_db = model.next_score(mine, steps)
        return [mean_db + factor * sd_db] * mine, mean_db, [trial.psnr_db for trial in complete], steps
    longer = [Score(place, *each) for place, trial in enumerate(complete) for each in trial.longer]
    estimate = FidelityModel(specs, [*first, *longer]).after(evaluation.longest_rung)
    variances, shared = np.diag(estimate.covariance), estimate.covariance[mine]
    sd_db = np.sqrt(np.clip(variances + variances[mine] - 2 * shared, 0, None))
    mean_db = float(estimate.mean_db[mine])
    levels_db = [
        tuple(float(estimate.mean_db[place]) + on_target - trial.score_db for on_target in trial.psnr_db)
        for place, trial in enumerate(complete)
    ]
    return (mean_db + factor * sd_db[:mine]).tolist(), mean_db, levels_db, evaluation.longest_rung


def _no_dearer(costs: tuple[float, ...], candidate: Figures, evaluation: Evaluation) -> bool:
    """Whether a trial costs no more than a candidate even if that one costs as little as it can."""
    least = _costs(evaluation, candidate, upper=False)
    return all(theirs <= mine for theirs, mine in zip(costs, least, strict=True))


def _costs(evaluation: Evaluation, figures: Figures, upper: bool) -> tuple[float, ...]:
    """All objectives but PSNR, less is better; the latency at the end of its interval that decides least."""
    others = [objective for objective in all_named(evaluation.objectives) if objective is not PSNR]
    latency = figures.latency
    assert latency is not None
    at_end = figures._replace(latency_ms=latency.high_ms if upper else _least_ms(latency))
    return tuple(
        -value if more else value for value, more in zip(point(at_end, others), maximised(others), strict=True)
    )


def _least_ms(latency: Latency) -> float:
    return latency.low_ms if latency.kind == "measured" else min(latency.low_ms, latency.bound_ms)
