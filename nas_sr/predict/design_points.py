"""Which networks to measure so that as few as possible say as much as possible about all the others."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.predict.features import matrix
from nas_sr.predict.regression import LENGTH
from nas_sr.predict.roofline import Roofline
from nas_sr.space import Space

Array = NDArray[np.float64]

# Networks to choose from, and those whose uncertainty is to shrink; drawn from the space with fixed seeds.
CANDIDATES, JUDGED = 1500, 400
# What is not known before the first measurement, as shares of a latency: each coefficient, what the terms cannot
# explain, and one measurement.
COEFFICIENT, UNEXPLAINED, NOISE = 1.0, 0.1, 0.05


def choose_design_points(space: Space, n: int, roofline: Roofline) -> list[Spec]:
    """`n` networks of a space, the most telling first; the same ones every time, and fewer are the beginning of more.

    They begin with the cheapest and the dearest of the paper's presets in the space. Each further one is the network
    whose latency would lower the mean variance of the predictions for the space the most (Cohn, "Neural network
    exploration using optimal experiment design", 1996), under the predictor's own model: a coefficient for each term,
    and a process over the family's coordinates for the rest. Designs that maximise the determinant of the information
    instead go to the corners of the space, where errors say little about its other networks.

    Raises:
        UsageError: the space has fewer networks.
    """
    found = _drawn(space, CANDIDATES, seed=0)
    presets = sorted((space.spec(params) for params in space.presets().values()), key=lambda spec: counts(spec).macs_g)
    ends = list({spec.digest: spec for spec in presets[:1] + presets[-1:]}.values())
    specs = list({spec.digest: spec for spec in [*ends, *found]}.values())
    if n > len(specs):
        raise UsageError(f"{n} networks are to be measured, but the space holds {len(specs)}")
    judged = _drawn(space, JUDGED, seed=1)
    covariance = _Covariance([*specs, *judged], roofline)
    chosen = list(range(min(n, len(ends))))
    for index in chosen:
        covariance.measure(index)
    while len(chosen) < n:
        gains = covariance.gains(slice(0, len(specs)), slice(len(specs), None))
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covariance.measure(chosen[-1])
    return [specs[index] for index in chosen]


class _Covariance:
    """Of the log latencies of some networks, given the measurements so far."""

    def __init__(self, specs: list[Spec], roofline: Roofline) -> None:
        self._shares, self._places = _shares(specs, roofline), matrix(specs)
        self._known = np.zeros((len(specs), 0))  # prior covariance minus its square is what is left
        self._variances = COEFFICIENT**2 * (self._shares**2).sum(axis=1) + UNEXPLAINED**2

    def measure(self, index: int) -> None:
        """Takes the measurement of one network into account."""
        left = self._of(slice(None), slice(index, index + 1)) / np.sqrt(self._variances[index] + NOISE**2)
        self._known = np.hstack([self._known, left])
        self._variances = self._variances - left[:, 0] ** 2

    def gains(self, candidates: slice, judged: slice) -> Array:
        """By how much measuring each candidate would lower the variances of the judged, summed."""
        # Rounded, so that of equal gains the first is taken on every machine.
        lowered = (self._of(candidates, judged) ** 2).sum(axis=1) / (self._variances[candidates] + NOISE**2)
        return np.round(lowered, 9)

    def _of(self, rows: slice, columns: slice) -> Array:
        squared = (self._places[rows] ** 2).sum(axis=1)[:, None] + (self._places[columns] ** 2).sum(axis=1)
        distances = np.maximum(squared - 2 * self._places[rows] @ self._places[columns].T, 0.0)
        prior = COEFFICIENT**2 * self._shares[rows] @ self._shares[columns].T
        prior += UNEXPLAINED**2 * np.exp(-distances / (2 * LENGTH**2))
        return prior - self._known[rows] @ self._known[columns].T


def _drawn(space: Space, n: int, seed: int) -> list[Spec]:
    """Up to `n` distinct networks of a space; all of them where it holds no more."""
    if space.combinations() <= n:
        return [space.spec(params) for params in space.architectures.values()]
    random_ = random.Random(seed)
    found: dict[str, Spec] = {}
    for _ in range(n):
        try:
            spec = space.spec({key: random_.choice(space.values(key)) for key in space.parameters})
        except UsageError:  # some combinations cannot be built
            continue
        found.setdefault(spec.digest, spec)
    return list(found.values())


def _shares(specs: list[Spec], roofline: Roofline) -> Array:
    """What part each term would have of a network's time, if all terms took as long in the mean of the networks."""
    tile = roofline.tiles[len(roofline.tiles) // 2]
    terms = np.array([roofline.terms(spec, tile) for spec in specs])
    means = terms.mean(axis=0)
    scaled = terms / np.where(means > 0, means, 1.0)
    return scaled / scaled.sum(axis=1, keepdims=True)
