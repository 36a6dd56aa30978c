"""Which candidates are worth training longer, or from another seed: those of which it is open if they are on the front.

A race ends when its steps are spent, or when of no candidate a further training would tell whether it is on the front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from nas_sr.search.fidelity import Estimate, FidelityModel

_DRAWS = 400
# Below this variance of "is on the front" (0.25 at most) nothing is left to find out: 2 % or 98 %.
_OPEN = 0.02


class Costs(NamedTuple):
    """Of n candidates on one target: values of the other objectives, (n, k), less is better, and their relative
    standard deviations, (n, k)."""

    values: np.ndarray
    relative_sd: np.ndarray


class Run(NamedTuple):
    """One training of one candidate: from one seed to one length."""

    candidate: int  # index
    seed: int
    steps: int


def front_probability(estimate: Estimate, costs: Costs, seed: int = 0) -> np.ndarray:
    """Probability of each of n candidates to be on the true front, (n,).

    By drawing PSNRs from their joint distribution, and costs from independent ones.
    """
    psnr_db = estimate.drawn(_DRAWS, seed)
    noise = np.random.default_rng(seed + 1).standard_normal((_DRAWS, *costs.values.shape))
    on_front = [~_beaten(psnr_db[draw], costs.values * (1 + costs.relative_sd * noise[draw])) for draw in range(_DRAWS)]
    return np.mean(on_front, axis=0)


def ties(estimate: Estimate, costs: Costs, members: Sequence[int], level: float = 0.95) -> list[tuple[int, int]]:
    """Pairs of members, the cheaper first, of which it is open whether the dearer one is better at all."""
    order = sorted(members, key=lambda index: tuple(costs.values[index]))
    return [
        (first, second)
        for place, first in enumerate(order)
        for second in order[place + 1 :]
        if 1 - level < estimate.better(second, first) < level
    ]


def next_run(
    model: FidelityModel,
    probability: np.ndarray,
    trained: Sequence[dict[int, int]],
    rungs: Sequence[int],
    seeds: Sequence[int],
    to_do: Callable[[int | None, int], int],
    running: Sequence[Run] = (),
    left: float = math.inf,
    failed: Collection[tuple[int, int]] = (),
) -> Run | None:
    """The training that settles most doubt for its steps; None where nothing is open.

    Args:
        model: of all scores.
        probability: of each candidate to be on the front.
        trained: of each candidate, seed -> the longest rung that it was trained to; empty for one that cannot be.
        rungs: lengths, growing; the front is judged after the last.
        seeds: that may be used.
        to_do: steps of a training to a length, given the length that the same seed was trained to before, if any.
        running: trainings that are under way.
        left: steps that one may take.
        failed: candidates with a seed from which a training failed: it would fail again.
    """
    busy = {run.candidate for run in running}
    best, best_value = None, 0.0
    estimate = model.after(rungs[-1])
    for index, lengths in enumerate(trained):
        open_ = probability[index] * (1 - probability[index])
        if not lengths or index in busy or open_ < _OPEN:
            continue
        variance = float(estimate.covariance[index, index])
        for run in _possible(index, lengths, rungs, [seed for seed in seeds if (index, seed) not in failed]):
            steps = to_do(lengths.get(run.seed), run.steps)
            if steps > left:
                continue
            settled = 1 - model.variance_left(index, run.seed, run.steps, rungs[-1]) / variance
            value = open_ * settled / steps
            if value > best_value:
                best, best_value = run, value
    return best


def _possible(index: int, lengths: dict[int, int], rungs: Sequence[int], seeds: Sequence[int]) -> list[Run]:
    """Every seed's next rung; and the next seed, to the longest rung that the candidate has reached."""
    longer = [Run(index, seed, rungs[rungs.index(steps) + 1]) for seed, steps in lengths.items() if steps < rungs[-1]]
    unused = [seed for seed in seeds if seed not in lengths]
    return [*longer, *(Run(index, seed, max(lengths.values())) for seed in unused[:1])]


def _beaten(psnr_db: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Which of n candidates another one equals or beats in everything, and beats in something."""
    no_dearer = (costs[:, None] <= costs).all(axis=-1)
    better_or_cheaper = (psnr_db[:, None] > psnr_db) | (costs[:, None] < costs).any(axis=-1)
    beaten: np.ndarray = np.any(no_dearer & (psnr_db[:, None] >= psnr_db) & better_or_cheaper, axis=0)
    return beaten
