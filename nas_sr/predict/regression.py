"""Coefficients for a roofline's terms from measured latencies, and a process for what the terms leave unexplained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from nas_sr.families.base import Spec
from nas_sr.predict.features import matrix
from nas_sr.predict.roofline import Roofline, Terms

Array = NDArray[np.float64]

# Terms that share a coefficient. Fewer points than this cannot tell nine apart. They decide two: whatever moves bytes
# runs at one bandwidth. Arithmetic is then held at the device's peak rate, where that is known, and im2col, which GPUs
# do not do, takes no time.
FEWEST_FOR_ALL = 10
EACH = tuple((name,) for name in Terms._fields)
DECIDED_BY_FEW = (("traffic", "copies", "attention"), ("launches",))
HELD_FOR_FEW = ("grouped", "padding", "spatial", "pointwise")

# Terms that no point can tell apart share their cost equally: a prior that weighs as much as this part of a point.
PRIOR_WEIGHT = 0.01
# Every term that is decided costs at least this part of its equal share, so that no network takes no time.
SMALLEST = 1e-4

# Of the process on log residuals: its variance far from all points, in units of the variance of a single point, and
# how many octaves apart two networks resemble each other. Of the values tried on measured members (1 to 25, and 1 to 5
# octaves) none was better than another by more than a twentieth of the error.
VARIANCE, LENGTH = 4.0, 3.0

# Points are left out one by one, or in this many parts where there are more.
FOLDS = 20


@dataclass(frozen=True)
class Networks:
    """Some networks as a regression sees them: one row for each."""

    terms: dict[int, Array]  # Terms, by the tile that they are padded to
    places: Array  # Features

    @classmethod
    def of(cls, specs: Sequence[Spec], roofline: Roofline) -> Networks:
        """These networks, for every tile that the kernels may use."""
        terms = {tile: np.array([roofline.terms(spec, tile) for spec in specs]) for tile in roofline.tiles}
        return cls(terms, matrix(specs))

    def take(self, indices: Sequence[int]) -> Networks:
        """Some of them."""
        return Networks({tile: rows[indices] for tile, rows in self.terms.items()}, self.places[indices])


class Regression:
    """Latencies of any networks, from those of a few.

    Args:
        networks: that were measured.
        latencies_ms: of each of them.
        at_peak: the terms that are times at a known peak rate.
    """

    def __init__(self, networks: Networks, latencies_ms: Array, at_peak: Sequence[str]) -> None:
        few = len(latencies_ms) < FEWEST_FOR_ALL
        self._decided = DECIDED_BY_FEW if few else EACH
        self._held = [name for name in HELD_FOR_FEW if few and name in at_peak]
        self.tile = self._best_tile(networks.terms, latencies_ms)
        self._coefficients = self._fitted(networks.terms[self.tile], latencies_ms)
        residuals = np.log(latencies_ms / (networks.terms[self.tile] @ self._coefficients))
        kernel = ConstantKernel(VARIANCE) * RBF(LENGTH) + WhiteKernel(1.0)
        self._process = GaussianProcessRegressor(kernel, optimizer=None).fit(networks.places, residuals)

    @property
    def coefficients(self) -> dict[str, float]:
        """Time of each term over its time at the peak rate; for launches, milliseconds each."""
        return {name: float(value) for name, value in zip(Terms._fields, self._coefficients, strict=True)}

    def predict(self, networks: Networks) -> tuple[Array, Array]:
        """Expected log milliseconds, and their standard deviations in units of a single point's (never below 1)."""
        residuals, deviations = self._process.predict(networks.places, return_std=True)
        return np.log(networks.terms[self.tile] @ self._coefficients) + residuals, np.maximum(deviations, 1.0)

    def _best_tile(self, terms: dict[int, Array], measured: Array) -> int:
        """The one whose coefficients predict points best that they have not seen."""
        if len(terms) == 1:
            return next(iter(terms))

        def error(tile: int) -> float:
            errors: list[float] = []
            for part in folds(len(measured)):
                kept = _others(part, len(measured))
                coefficients = self._fitted(terms[tile][kept], measured[kept])
                errors.extend(np.abs(np.log(terms[tile][part] @ coefficients / measured[part])))
            return float(np.mean(errors))

        return min(terms, key=error)

    def _fitted(self, terms: Array, measured: Array) -> Array:
        """Non-negative coefficients of least squared relative error; those of terms that are not decided are given."""
        shared = np.array([[float(name in group) for group in self._decided] for name in Terms._fields])
        held = np.array([float(name in self._held) for name in Terms._fields])
        rows = terms @ shared / measured[:, None]
        scale = rows.mean(axis=0)
        scale[scale == 0] = 1.0  # a term that no point has
        share = 1 / len(self._decided)
        weight = PRIOR_WEIGHT**0.5
        found, _ = nnls(
            np.vstack([rows / scale, weight * np.eye(len(scale))]),
            np.concatenate([1 - terms @ held / measured, np.full(len(scale), weight * share)]),
        )
        return held + shared @ (np.maximum(found, SMALLEST * share) / scale)


def left_out(networks: Networks, latencies_ms: Array, at_peak: Sequence[str]) -> tuple[Array, Array]:
    """Every point, predicted from the others.

    Returns:
        Log of measured over predicted, and the deviations that each regression gave (see `Regression.predict`).
    """
    log_errors, deviations = np.empty(len(latencies_ms)), np.empty(len(latencies_ms))
    for part in folds(len(latencies_ms)):
        kept = _others(part, len(latencies_ms))
        regression = Regression(networks.take(kept), latencies_ms[kept], at_peak)
        expected, deviations[part] = regression.predict(networks.take(part))
        log_errors[part] = np.log(latencies_ms[part]) - expected
    return log_errors, deviations


def folds(points: int) -> list[list[int]]:
    """Indices of the points that are left out together."""
    parts = min(points, FOLDS)
    return [list(range(part, points, parts)) for part in range(parts)]


def _others(part: list[int], points: int) -> list[int]:
    return [index for index in range(points) if index not in part]
