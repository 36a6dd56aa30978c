"""What trainings of several lengths and seeds say of long training: a multi-fidelity Gaussian process.

A score of 800 steps and one of 8,000 are never compared. Each is an observation of one model, in which the PSNR of a
network after so many steps is a sum of independent Gaussian parts: a trend over cost whose level and slope change with
the length; a smooth function of the network's structure; a deviation of the network's own, of which a part stays and a
part is forgotten as training goes on; a deviation of the seed's, which stays as a training is made longer; and noise.
(Autoregressive multi-fidelity models: Kennedy and O'Hagan, Biometrika 87, 2000; the forgetting is an Ornstein-Uhlenbeck
process in the logarithm of steps.) Their sizes are fitted to the study's own trainings by maximum a posteriori.

Figures of other kinds are further sources: scores of weights inherited from a supernet, or full trainings of exported
bundles by another recipe on other images. Each has a trend of its own, so that its level and how it grows with cost
tell nothing; it shares the function of structure and what lasts of a network's own deviation, and adds a deviation of
its own, whose size is fitted likewise.
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
_OF_SOURCE_DB = 0.02  # typical size of what a further source has of its own: as much as a brief training
_VARIES = 1.0
_MOST_FITTED = 300  # scores that sizes are fitted to; every score counts in the estimates


def _one_thread(function: Function) -> Function:
    """Decisions are made while every core trains, where threads that wait for each other take many times as long."""
    return cast(Function, ThreadpoolController().wrap(limits=1, user_api="blas")(function))


class Score(NamedTuple):
    """The PSNR that one training came to, or another figure of a network in dB."""

    network: int  # index among those that are modelled
    seed: int
    steps: int
    psnr_db: float
    source: str = ""  # what it is, if it is none of the study's own trainings


class _Points(NamedTuple):
    """What has a PSNR, known or not: (n,) each."""

    network: np.ndarray
    log_steps: np.ndarray
    source: np.ndarray  # 0 is the study's own trainings


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
            scores: at least one of the study's own trainings.
            sizes: of the parts, as `sizes` of a model fitted before; None: fitted to these scores.
        """
        self._features = features(specs)
        self._sources = ["", *sorted({score.source for score in scores} - {""})]
        self._seed = np.array([score.seed for score in scores])
        self._known = _Points(
            np.array([score.network for score in scores]),
            np.log([score.steps for score in scores]),
            np.array([self._sources.index(score.source) for score in scores]),
        )
        psnr_db = np.array([score.psnr_db for score in scores])
        offsets = [psnr_db[self._known.source == source].mean() for source in range(len(self._sources))]
        self._offset = offsets[0]
        self._residual = psnr_db - np.array(offsets)[self._known.source]
        self.sizes = sizes or self._fitted()
        self._factor = cho_factor(self._observed(self.sizes), lower=True)
        self._weights = cho_solve(self._factor, self._residual)

    @_one_thread
    def after(self, steps: int) -> Estimate:
        """What is known of every network after so many steps."""
        everyone = self._own(np.arange(len(self._features)), steps)
        cross = self._shared(self.sizes, everyone, self._known)
        prior = self._shared(self.sizes, everyone, everyone)
        mean_db = self._offset + cross @ self._weights
        return Estimate(steps, mean_db, prior - cross @ cho_solve(self._factor, cross.T))

    def next_score(self, network: int, steps: int) -> tuple[float, float]:
        """Mean and standard deviation [dB] of what a training of a network from a seed of its own will come to."""
        here = self._own(np.array([network]), steps)
        cross = self._shared(self.sizes, here, self._known)[0]
        prior = self._shared(self.sizes, here, here)[0, 0]
        variance = prior - cross @ cho_solve(self._factor, cross)
        own = self.sizes["seed_db"] ** 2 + self.sizes["noise_db"] ** 2
        return float(self._offset + cross @ self._weights), math.sqrt(max(0.0, variance) + own)

    @_one_thread
    def left_out(self) -> np.ndarray:
        """Each score's difference to what the others say of it, in standard deviations of that, (scores,)."""
        inverse = cho_solve(self._factor, np.eye(len(self._residual)))
        return self._weights / np.sqrt(np.diag(inverse))

    def variance_left(self, network: int, seed: int, steps: int, judged_after: int) -> float:
        """Variance [dB^2] of a network's PSNR after `judged_after` steps if it were also trained by this seed for so
        many `steps`."""
        there, new = self._own(np.array([network]), judged_after), self._own(np.array([network]), steps)
        cross = self._shared(self.sizes, there, self._known)[0]
        with_new = self._shared(self.sizes, there, new)[0, 0]
        new_cross = self._shared(self.sizes, new, self._known)[0]
        same_seed = (self._known.network == network) & (self._seed == seed) & (self._known.source == 0)
        new_cross = new_cross + self.sizes["seed_db"] ** 2 * same_seed
        of_new = (
            self._shared(self.sizes, new, new)[0, 0]
            + self.sizes["seed_db"] ** 2
            + self.sizes["noise_db"] ** 2
            + _JITTER
        )
        solved = cho_solve(self._factor, new_cross)
        variance = self._shared(self.sizes, there, there)[0, 0] - cross @ cho_solve(self._factor, cross)
        gained = (with_new - cross @ solved) ** 2 / (of_new - new_cross @ solved)
        return float(max(0.0, variance - gained))

    @staticmethod
    def _own(networks: np.ndarray, steps: int) -> _Points:
        """Networks trained as the study does, for so many steps."""
        return _Points(networks, np.full(len(networks), math.log(steps)), np.zeros(len(networks), dtype=int))

    def _observed(self, sizes: dict[str, float]) -> np.ndarray:
        """Covariance of the scores."""
        noise = (sizes["noise_db"] ** 2 + _JITTER) * np.eye(len(self._seed))
        same_seed = _same_seed(self._known, self._seed)
        return self._shared(sizes, self._known, self._known) + sizes["seed_db"] ** 2 * same_seed + noise

    def _shared(self, sizes: dict[str, float], first: _Points, second: _Points) -> np.ndarray:
        """Covariance of two lists of points, of everything but seeds and noise."""
        pairs = _Pairs(self._features, self._sources, first, second)
        return pairs.trend + sum(pairs.parts(sizes).values())

    def _fitted(self) -> dict[str, float]:
        usual = _TYPICAL | {_size_of(name): _OF_SOURCE_DB for name in self._sources[1:]}
        typical = np.log(list(usual.values()))
        chosen = self._chosen_to_fit()
        known = _Points(*(values[chosen] for values in self._known))
        pairs = _Pairs(self._features, self._sources, known, known)
        residual, one = self._residual[chosen], np.eye(len(chosen))
        same_seed = _same_seed(known, self._seed[chosen])

        def cost(logs: np.ndarray) -> tuple[float, np.ndarray]:
            """Of the logarithms of the sizes, and its gradient."""
            sizes = dict(zip(usual, np.exp(logs), strict=True))
            parts = pairs.parts(sizes)
            parts |= {"seed_db": sizes["seed_db"] ** 2 * same_seed, "noise_db": sizes["noise_db"] ** 2 * one}
            try:
                factor = cho_factor(pairs.trend + sum(parts.values()) + _JITTER * one, lower=True)
            except np.linalg.LinAlgError:
                return 1e6, np.zeros(len(logs))
            weights = cho_solve(factor, residual)
            from_typical = (logs - typical) / _VARIES
            value = 0.5 * residual @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * (from_typical**2).sum()
            slope = 0.5 * (cho_solve(factor, one) - np.outer(weights, weights))
            by_log = {name: 2 * part for name, part in parts.items()}
            by_log["structure_length"] = parts["structure_db"] * pairs.distance / sizes["structure_length"] ** 2
            passing = sum(parts[name] for name in pairs.passing)
            by_log["memory"] = passing * pairs.apart / sizes["memory"]
            gradient = [(slope * by_log[name]).sum() for name in usual]
            return float(value), np.array(gradient) + from_typical / _VARIES

        best = minimize(cost, typical, jac=True, method="L-BFGS-B", options={"maxiter": 60}).x
        return dict(zip(usual, np.exp(best).tolist(), strict=True))

    def _chosen_to_fit(self) -> np.ndarray:
        """Indices of the scores that sizes are fitted to: all, or so many, of the networks with most scores."""
        network = self._known.network
        if len(network) <= _MOST_FITTED:
            return np.arange(len(network))
        of_network = np.bincount(network, minlength=len(self._features))
        drawn = np.random.default_rng(0).permutation(len(of_network))
        order = sorted(drawn.tolist(), key=lambda index: -of_network[index])
        place = np.empty(len(order), dtype=int)
        place[order] = np.arange(len(order))
        return np.argsort(place[network], kind="stable")[:_MOST_FITTED]


class _Pairs:
    """What the covariances of two lists of points come from, (n, m) each."""

    def __init__(self, features: np.ndarray, sources: Sequence[str], first: _Points, second: _Points) -> None:
        one, other = features[first.network], features[second.network]
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
        self.distance = np.clip(squares, 0, None)  # squared
        self.apart = np.abs(first.log_steps[:, None] - second.log_steps)  # in e-foldings of steps
        self._same = first.network[:, None] == second.network
        of_one_source = first.source[:, None] == second.source
        # What passes is of one source; a further one's deviation is all of it.
        self.passing = {
            _size_of(name): self._same & of_one_source & (first.source[:, None] == number)
            for number, name in enumerate(sources)
        }
        by_cost = _LEVEL_DB**2 + _SLOPE_DB**2 * one[:, :1] * other[:, 0]
        self.trend = by_cost * of_one_source * np.exp(-self.apart / _TREND_MEMORY)

    def parts(self, sizes: dict[str, float]) -> dict[str, np.ndarray]:
        """Covariances of the networks' own parts, by the size that scales them."""
        near = np.exp(-self.distance / (2 * sizes["structure_length"] ** 2) - self.apart / _TREND_MEMORY)
        fading = np.exp(-self.apart / sizes["memory"])
        return {
            "structure_db": sizes["structure_db"] ** 2 * near,
            "lasting_db": sizes["lasting_db"] ** 2 * self._same,
            **{name: sizes[name] ** 2 * fading * same for name, same in self.passing.items()},
        }


def _same_seed(points: _Points, seed: np.ndarray) -> np.ndarray:
    """Which of the points are of one network, source and seed, (n, n)."""
    same = (points.network[:, None] == points.network) & (seed[:, None] == seed)
    return same & (points.source[:, None] == points.source)


def _size_of(source: str) -> str:
    """The name of the size of what a source has of its own, as training goes on."""
    return f"{source or 'passing'}_db"


def structure(spec: Spec) -> list[float]:
    """Logarithms of a network's multiply-accumulates, activations, parameters and number of convolutions."""
    found = counts(spec)
    return [math.log(value) for value in (found.macs_g, found.activations_m, found.params, found.convs)]


def features(specs: Sequence[Spec]) -> np.ndarray:
    """What the model knows of networks, (n, f): the logarithm of multiply-accumulates first, then those of activations,
    parameters and the number of convolutions, each standardised; then one column a family, if there are several."""
    logs = np.array([structure(spec) for spec in specs])
    spread = logs.std(axis=0)
    standard = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    names = sorted({spec.family for spec in specs})
    if len(names) == 1:
        return standard
    return np.hstack([standard, [[2.0 * (spec.family == name) for name in names] for spec in specs]])
