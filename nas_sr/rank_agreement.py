"""How well one list of figures ranks what another ranks: Kendall's tau, its interval, and what noise leaves of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_RESAMPLES = 10_000
_DRAWS = 2_000


class Agreement(NamedTuple):
    """Kendall's tau, and its 90 % interval from resampling what is ranked; NaN where that is too little."""

    tau: float
    low: float
    high: float


def agreement(first: np.ndarray, second: np.ndarray, resamples: int = _RESAMPLES) -> Agreement:
    """Of two figures of each of n networks, (n,) each."""
    found = tau(first, second)
    if len(first) < 3:
        return Agreement(found, float("nan"), float("nan"))
    chosen = np.random.default_rng(0).integers(len(first), size=(resamples, len(first)))
    low, high = np.nanquantile(_taus(np.asarray(first)[chosen], np.asarray(second)[chosen]), [0.05, 0.95])
    return Agreement(found, float(low), float(high))


def noise_ceiling(reference: np.ndarray) -> float | None:
    """The tau that a score which ranks perfectly is expected to reach against the mean of some seeds.

    By simulation: the networks' true figures are their means, drawn together by as much as noise has driven them apart;
    the reference is those with the noise that seeds show.

    Args:
        reference: (seeds, n), NaN where a training is missing.

    Returns:
        None with fewer than two seeds or three networks.
    """
    reference = np.asarray(reference, dtype=float)
    number = np.isfinite(reference).sum(axis=0)
    known = reference[:, number > 0]
    number = number[number > 0]
    if known.shape[1] < 3 or number.max(initial=0) < 2:
        return None
    mean = np.nanmean(known, axis=0)
    variance = float(np.nansum((known - mean) ** 2) / (number - 1).sum())  # of one training
    of_means = variance / number
    spread = float(mean.var(ddof=1))
    if spread <= 0:
        return None
    kept = np.sqrt(max(0.0, spread - of_means.mean()) / spread)
    true = mean.mean() + kept * (mean - mean.mean())
    noise = np.random.default_rng(0).standard_normal((_DRAWS, len(true))) * np.sqrt(of_means)
    found = _taus(np.broadcast_to(true, noise.shape), true + noise)
    return None if np.isnan(found).all() else float(np.nanmean(found))


def tau(first: np.ndarray, second: np.ndarray) -> float:
    """Kendall's tau-b; NaN where one of the two ranks nothing."""
    return float(_taus(np.asarray(first, dtype=float)[None], np.asarray(second, dtype=float)[None])[0])


def _taus(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each of r pairs of rows, (r, n) each."""
    one, other = np.triu_indices(first.shape[1], 1)
    up = np.sign(first[:, one] - first[:, other])
    also = np.sign(second[:, one] - second[:, other])
    untied = np.sqrt(np.abs(up).sum(axis=1) * np.abs(also).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        taus: np.ndarray = (up * also).sum(axis=1) / untied
    return taus
