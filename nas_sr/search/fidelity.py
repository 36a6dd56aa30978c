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
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from nas_sr.families.base import Spec
from nas_sr.families.counts import counts

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

    def drawn(self, number: int, seed: int) -> np.ndarray:
        """Possible PSNRs, (number, n)."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        normal = np.random.default_rng(seed).standard_normal((number, len(self.mean_db)))
        return self.mean_db + normal @ root.T


class FidelityModel:
    """The model, fitted to scores."""

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

    def after(self, steps: int) -> Estimate:
        """What is known of every network after so many steps."""
        everyone = self._own(np.arange(len(self._features)), steps)
        cross = self._shared(self.sizes, everyone, self._known)
        prior = self._shared(self.sizes, everyone, everyone)
        mean_db = self._offset + cross @ self._weights
        return Estimate(steps, mean_db, prior - cross @ cho_solve(self._factor, cross.T))

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
        known = self._known
        found = self._shared(sizes, known, known)
        same = (known.network[:, None] == known.network) & (self._seed[:, None] == self._seed)
        same &= known.source[:, None] == known.source
        return found + sizes["seed_db"] ** 2 * same + (sizes["noise_db"] ** 2 + _JITTER) * np.eye(len(found))

    def _shared(self, sizes: dict[str, float], first: _Points, second: _Points) -> np.ndarray:
        """Covariance of two lists of points, of everything but seeds and noise."""
        one, other = self._features[first.network], self._features[second.network]
        apart = np.abs(first.log_steps[:, None] - second.log_steps)
        of_one_source = first.source[:, None] == second.source
        distance = ((one[:, None] - other) ** 2).sum(axis=-1)
        trend = (_LEVEL_DB**2 + _SLOPE_DB**2 * one[:, :1] * other[:, 0]) * of_one_source
        structure = sizes["structure_db"] ** 2 * np.exp(-distance / (2 * sizes["structure_length"] ** 2))
        # What passes is of one source; a further one's deviation is all of it.
        passing_db = np.array([sizes["passing_db"], *(sizes[_size_of(name)] for name in self._sources[1:])])
        passing = passing_db[first.source][:, None] ** 2 * np.exp(-apart / sizes["memory"]) * of_one_source
        own = sizes["lasting_db"] ** 2 + passing
        return (trend + structure) * np.exp(-apart / _TREND_MEMORY) + own * (first.network[:, None] == second.network)

    def _fitted(self) -> dict[str, float]:
        usual = _TYPICAL | {_size_of(name): _OF_SOURCE_DB for name in self._sources[1:]}
        typical = np.log(list(usual.values()))

        def cost(logs: np.ndarray) -> float:
            sizes = dict(zip(usual, np.exp(logs), strict=True))
            try:
                factor = cho_factor(self._observed(sizes), lower=True)
            except np.linalg.LinAlgError:
                return 1e6
            fit = 0.5 * self._residual @ cho_solve(factor, self._residual) + np.log(np.diag(factor[0])).sum()
            return float(fit + 0.5 * (((logs - typical) / _VARIES) ** 2).sum())

        best = minimize(cost, typical, method="L-BFGS-B", options={"maxiter": 60}).x
        return dict(zip(usual, np.exp(best).tolist(), strict=True))


def _size_of(source: str) -> str:
    """The name of the size of what a source has of its own."""
    return f"{source}_db"


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
