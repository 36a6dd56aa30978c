"""What trainings of several lengths and seeds say of long training: a multi-fidelity Gaussian process.

A score of 800 steps and one of 8,000 are never compared. Each is an observation of one model, in which the PSNR of a
network after so many steps is a sum of independent Gaussian parts: a trend over cost whose level and slope change with
the length; a smooth function of the network's structure; a deviation of the network's own, of which a part stays and a
part is forgotten as training goes on; a deviation of the seed's, which stays as a training is made longer; and noise.
(Autoregressive multi-fidelity models: Kennedy and O'Hagan, Biometrika 87, 2000; the forgetting is an Ornstein-Uhlenbeck
process in the logarithm of steps.) Their sizes are fitted to the study's own trainings by maximum a posteriori.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController

from nas_sr.families.base import Spec
from nas_sr.families.counts import counts

Function = TypeVar("Function", bound=Callable[..., Any])

_LEVEL_DB, _SLOPE_DB = 3.0, 0.5  # standard deviations of the trend: wide
_TREND_MEMORY = 10.0  # of level and slope, in e-foldings of steps
_JITTER = 1e-8  # dB^2
# Typical sizes, around which they are fitted, and by how much their logarithms vary. Seeds of the default recipe differ
# by 0.017 dB after 800 steps and by 0.031 dB after 8,000 (standard deviation).
_TYPICAL = {
    "structure_db": 0.05,
    "structure_length": 1.5,  # of standardised features
    "lasting_db": 0.02,
    "passing_db": 0.02,
    "memory": 1.0,  # of what passes, in e-foldings of steps
    "seed_db": 0.01,
    "noise_db": 0.012,
}
_VARIES = 1.0
_MOST_FITTED = 300  # scores that sizes are fitted to; every score counts in the estimates


def _one_thread(function: Function) -> Function:
    """Decisions are made while every core trains, where threads that wait for each other take many times as long."""
    return cast(Function, ThreadpoolController().wrap(limits=1, user_api="blas")(function))


class Score(NamedTuple):
    """The PSNR that one training came to."""

    network: int  # index among those that are modelled
    seed: int
    steps: int
    psnr_db: float


class Estimate(NamedTuple):
    """PSNRs [dB] after `steps` steps, averaged over seeds: mean (n,) and covariance (n, n) of n networks."""

    steps: int
    mean_db: np.ndarray
    covariance: np.ndarray

    @property
    def sd_db(self) -> np.ndarray:
        """Standard deviation of each network's difference to the mean of all: what they share decides no order."""
        centred = np.eye(len(self.mean_db)) - 1 / len(self.mean_db)
        return np.sqrt(np.clip(np.diag(centred @ self.covariance @ centred.T), 0, None))

    def better(self, first: int, second: int) -> float:
        """Probability that one network is better than another."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        difference = float(self.mean_db[first] - self.mean_db[second])
        if variance <= 0:
            return 0.5 if difference == 0 else float(difference > 0)
        return 0.5 * (1 + math.erf(difference / math.sqrt(2 * variance)))

    @_one_thread
    def drawn(self, number: int, seed: int) -> np.ndarray:
        """Possible PSNRs, (number, n)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        normal = np.random.default_rng(seed).standard_normal((number, len(self.mean_db)))
        return self.mean_db + normal @ root.T


class FidelityModel:
    """The model, fitted to scores."""

    @_one_thread
    def __init__(self, specs: Sequence[Spec], scores: Sequence[Score], sizes: dict[str, float] | None = None) -> None:
        """
        Args:
            specs: the networks, by the index that scores have.
            scores: at least one.
            sizes: of the parts, as `sizes` of a model fitted before; None: fitted to these scores.
        """
        self._features = features(specs)
        self._network = np.array([score.network for score in scores])
        self._seed = np.array([score.seed for score in scores])
        self._log_steps = np.log([score.steps for score in scores])
        psnr_db = np.array([score.psnr_db for score in scores])
        self._offset = psnr_db.mean()
        self._residual = psnr_db - self._offset
        self.sizes = sizes or self._fitted()
        self._factor = cho_factor(self._observed(self.sizes), lower=True)
        self._weights = cho_solve(self._factor, self._residual)

    @_one_thread
    def after(self, steps: int) -> Estimate:
        """What is known of every network after so many steps."""
        everyone = np.arange(len(self._features))
        log_steps = np.full(len(everyone), math.log(steps))
        cross = self._shared(self.sizes, everyone, log_steps, self._network, self._log_steps)
        prior = self._shared(self.sizes, everyone, log_steps, everyone, log_steps)
        mean_db = self._offset + cross @ self._weights
        return Estimate(steps, mean_db, prior - cross @ cho_solve(self._factor, cross.T))

    def next_score(self, network: int, steps: int) -> tuple[float, float]:
        """Mean and standard deviation [dB] of what a training of a network from a seed of its own will come to."""
        here, log_steps = np.array([network]), np.array([math.log(steps)])
        cross = self._shared(self.sizes, here, log_steps, self._network, self._log_steps)[0]
        prior = self._shared(self.sizes, here, log_steps, here, log_steps)[0, 0]
        variance = prior - cross @ cho_solve(self._factor, cross)
        own = self.sizes["seed_db"] ** 2 + self.sizes["noise_db"] ** 2
        return float(self._offset + cross @ self._weights), math.sqrt(max(0.0, variance) + own)

    def left_out(self) -> np.ndarray:
        """Each score's difference to what the others say of it, in standard deviations of that, (scores,)."""
        inverse = cho_solve(self._factor, np.eye(len(self._residual)))
        return self._weights / np.sqrt(np.diag(inverse))

    def variance_left(self, network: int, seed: int, steps: int, judged_after: int) -> float:
        """Variance [dB^2] of a network's PSNR after `judged_after` steps if it were also trained by this seed for so
        many `steps`."""
        here, there = np.array([network]), np.array([math.log(judged_after)])
        new = np.array([math.log(steps)])
        cross = self._shared(self.sizes, here, there, self._network, self._log_steps)[0]
        with_new = self._shared(self.sizes, here, there, here, new)[0, 0]
        new_cross = self._shared(self.sizes, here, new, self._network, self._log_steps)[0]
        same_seed = (self._network == network) & (self._seed == seed)
        new_cross = new_cross + self.sizes["seed_db"] ** 2 * same_seed
        of_new = (
            self._shared(self.sizes, here, new, here, new)[0, 0]
            + self.sizes["seed_db"] ** 2
            + self.sizes["noise_db"] ** 2
            + _JITTER
        )
        solved = cho_solve(self._factor, new_cross)
        variance = self._shared(self.sizes, here, there, here, there)[0, 0] - cross @ cho_solve(self._factor, cross)
        gained = (with_new - cross @ solved) ** 2 / (of_new - new_cross @ solved)
        return float(max(0.0, variance - gained))

    def _observed(self, sizes: dict[str, float]) -> np.ndarray:
        """Covariance of the scores."""
        found = self._shared(sizes, self._network, self._log_steps, self._network, self._log_steps)
        same = (self._network[:, None] == self._network) & (self._seed[:, None] == self._seed)
        return found + sizes["seed_db"] ** 2 * same + (sizes["noise_db"] ** 2 + _JITTER) * np.eye(len(found))

    def _shared(
        self,
        sizes: dict[str, float],
        first: np.ndarray,
        first_log: np.ndarray,
        second: np.ndarray,
        second_log: np.ndarray,
    ) -> np.ndarray:
        """Covariance of two lists of (network, log steps), of everything but seeds and noise."""
        pairs = _Pairs(self._features[first], self._features[second], first[:, None] == second)
        apart = np.abs(first_log[:, None] - second_log)
        return pairs.trend(apart) + sum(pairs.parts(sizes, apart).values())

    def _fitted(self) -> dict[str, float]:
        chosen = self._chosen_to_fit()
        network, seed = self._network[chosen], self._seed[chosen]
        apart = np.abs(self._log_steps[chosen][:, None] - self._log_steps[chosen])
        same_network = network[:, None] == network
        same_seed = same_network & (seed[:, None] == seed)
        pairs = _Pairs(self._features[network], self._features[network], same_network)
        trend, residual, one = pairs.trend(apart), self._residual[chosen], np.eye(len(chosen))
        typical = np.log(list(_TYPICAL.values()))

        def cost(logs: np.ndarray) -> tuple[float, np.ndarray]:
            """Of the logarithms of the sizes, and its gradient."""
            sizes = dict(zip(_TYPICAL, np.exp(logs), strict=True))
            parts = pairs.parts(sizes, apart)
            parts |= {"seed_db": sizes["seed_db"] ** 2 * same_seed, "noise_db": sizes["noise_db"] ** 2 * one}
            try:
                factor = cho_factor(trend + sum(parts.values()) + _JITTER * one, lower=True)
            except np.linalg.LinAlgError:
                return 1e6, np.zeros(len(logs))
            weights = cho_solve(factor, residual)
            from_typical = (logs - typical) / _VARIES
            value = 0.5 * residual @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * (from_typical**2).sum()
            slope = 0.5 * (cho_solve(factor, one) - np.outer(weights, weights))
            by_log = {name: 2 * part for name, part in parts.items()}
            by_log["structure_length"] = parts["structure_db"] * pairs.distance / sizes["structure_length"] ** 2
            by_log["memory"] = parts["passing_db"] * apart / sizes["memory"]
            gradient = [(slope * by_log[name]).sum() for name in _TYPICAL]
            return float(value), np.array(gradient) + from_typical / _VARIES

        best = minimize(cost, typical, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
        return dict(zip(_TYPICAL, np.exp(best).tolist(), strict=True))

    def _chosen_to_fit(self) -> np.ndarray:
        """Indices of the scores that sizes are fitted to: all, or of the networks with most scores so many."""
        if len(self._residual) <= _MOST_FITTED:
            return np.arange(len(self._residual))
        of_network = np.bincount(self._network, minlength=len(self._features))
        drawn = np.random.default_rng(0).permutation(len(of_network))
        order = sorted(drawn.tolist(), key=lambda index: -of_network[index])
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        return np.argsort(place[self._network], kind="stable")[:_MOST_FITTED]


class _Pairs:
    """What the covariances of two lists of networks come from: their features, (n, f) and (m, f), and which are the
    same network, (n, m)."""

    def __init__(self, first: np.ndarray, second: np.ndarray, same: np.ndarray) -> None:
        squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
        self.distance = np.clip(squares, 0, None)  # squared
        self._by_cost = first[:, :1] * second[:, 0]
        self._same = same

    def trend(self, apart: np.ndarray) -> np.ndarray:
        """Covariance of the trend, (n, m); `apart` is in e-foldings of steps."""
        return (_LEVEL_DB**2 + _SLOPE_DB**2 * self._by_cost) * np.exp(-apart / _TREND_MEMORY)

    def parts(self, sizes: dict[str, float], apart: np.ndarray) -> dict[str, np.ndarray]:
        """Covariances of the networks' own parts, by the size that scales them."""
        near = np.exp(-self.distance / (2 * sizes["structure_length"] ** 2) - apart / _TREND_MEMORY)
        return {
            "structure_db": sizes["structure_db"] ** 2 * near,
            "lasting_db": sizes["lasting_db"] ** 2 * self._same,
            "passing_db": sizes["passing_db"] ** 2 * np.exp(-apart / sizes["memory"]) * self._same,
        }


def features(specs: Sequence[Spec]) -> np.ndarray:
    """What the model knows of networks, (n, f): the logarithm of multiply-accumulates first, then those of activations,
    parameters and the number of convolutions, each standardised; then one column a family, if there are several."""
    costs = [counts(spec) for spec in specs]
    logs = np.log([[each.macs_g, each.activations_m, each.params, each.convs] for each in costs])
    spread = logs.std(axis=0)
    standard = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    names = sorted({spec.family for spec in specs})
    if len(names) == 1:
        return standard
    return np.hstack([standard, [[2.0 * (spec.family == name) for name in names] for spec in specs]])
