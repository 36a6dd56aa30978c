"""Expected latencies with intervals that hold what they promise: calibrated on points that a fit had not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nas_sr.families.base import Spec
from nas_sr.predict.features import Range
from nas_sr.predict.prediction import OUTSIDE, Grounds, Prediction
from nas_sr.predict.regression import Networks, Regression, left_out
from nas_sr.predict.roofline import Roofline

LEVEL = 0.8
# A network is ruled out unmeasured only by a bound that hardly any falls short of.
BOUND_LEVEL = 0.95
# Errors scatter alike to both sides: what one twentieth exceeds on one side, a tenth exceeds on either.
_BOTH_SIDES = 2 * BOUND_LEVEL - 1

# Few points may fit each other by luck. The interval is as wide as if this many more had been left out and missed by
# the usual error of such models: others reached 7-12 % from 10 points, 4-9 % from 20 and 2-7 % from 100, which is
# about this constant over the root of their number.
PRIOR_POINTS, PRIOR_ERROR_OF_ONE = 5, 0.25

# Standard deviation of the log error for each octave outside the calibrated points. Calibrated on a CPU with five
# presets only, the model missed other members by 6 % (root mean square) within an octave of them and by 19 % at 2.1 to
# 2.6 octaves: 0.08 an octave. A GPU's kernels depend on shapes, on groups above all, more than that: twice as much.
ERROR_PER_OCTAVE = 0.16


class Errors(NamedTuple):
    """Of points predicted by fits that had not seen them, in percent of the measured."""

    mean_percent: float
    median_percent: float
    max_percent: float

    @classmethod
    def of(cls, log_errors: NDArray[np.float64]) -> Errors:
        """From logarithms of measured over predicted."""
        percent = 100 * np.abs(np.exp(-log_errors) - 1)
        return cls(float(percent.mean()), float(np.median(percent)), float(percent.max()))


class Predictor:
    """Latencies on one target at the LR size and precision that it was calibrated for.

    Args:
        target: name of the hardware profile.
        source: where the points come from.
        digest: of the points.
        specs: the calibrated points' networks, all different.
        latencies_ms: of each of them.
        roofline: LR size, precision and the device's peaks.
        notes: what a reader of any prediction must know, beside how it was found.
        reference_ms: what the reference network takes where the points are from, if that is known.
    """

    def __init__(
        self,
        *,
        target: str,
        source: str,
        digest: str,
        specs: Sequence[Spec],
        latencies_ms: Sequence[float],
        roofline: Roofline,
        notes: Sequence[str] = (),
        reference_ms: float | None = None,
    ) -> None:
        self._reference_ms = reference_ms
        self.target, self._roofline, self._notes = target, roofline, tuple(notes)
        networks, measured = Networks.of(specs, roofline), np.array(latencies_ms, dtype=float)
        log_errors, deviations = left_out(networks, measured, roofline.at_peak)
        self.errors = Errors.of(log_errors)
        self._regression = Regression(networks, measured, roofline.at_peak)
        self._missed = np.abs(log_errors / deviations)
        self._range = Range(specs)
        self._calibration = Grounds(
            source=source, digest=digest, points=len(specs), cross_validated_error=self.errors.mean_percent / 100
        )

    @property
    def grounds(self) -> str:
        """What every prediction rests on, in a few words."""
        return (
            f"calibrated with {self._calibration.points} networks ({self._calibration.source}); left out of the fit,"
            f" they were missed by {self.errors.mean_percent:.1f} % in the mean and {self.errors.max_percent:.1f} %"
            " at most"
        )

    @property
    def coefficients(self) -> dict[str, float]:
        """Time of each term of the roofline over its time at the device's peak rate."""
        return self._regression.coefficients

    @property
    def tile(self) -> int:
        """Multiple that the device's kernels pad channels to: its facts' one, or the one that fits best."""
        return self._regression.tile

    def predict(self, spec: Spec, *labels: str) -> Prediction:
        """The expected latency of a network; `labels` say what else a reader must know."""
        expected, deviations = self._regression.predict(Networks.of([spec], self._roofline))
        latency_ms = math.exp(float(expected[0]))
        outside = self._range.outside(spec)
        half = self._half_width(_quantile(self._missed, LEVEL), LEVEL, float(deviations[0]), outside)
        # The fewer points there are, the less is known of how far others may be missed.
        few = math.sqrt(1 + 2 * PRIOR_POINTS / len(self._missed))
        below = few * self._half_width(_safe_quantile(self._missed), _BOTH_SIDES, float(deviations[0]), outside)
        reasons = self._range.reasons(spec)
        far = (f"{OUTSIDE}: {', '.join(reasons)}",) if reasons else ()
        return Prediction(
            target=self.target,
            network=spec.digest,
            lr_height=self._roofline.lr_height,
            lr_width=self._roofline.lr_width,
            latency_ms=latency_ms,
            low_ms=latency_ms * math.exp(-half),
            high_ms=latency_ms * math.exp(half),
            level=LEVEL,
            bound_ms=latency_ms * math.exp(-below),
            bound_level=BOUND_LEVEL,
            reference_ms=self._reference_ms,
            calibration=self._calibration,
            labels=(self.grounds, *self._notes, *far, *labels),
        )

    def _half_width(self, quantile: float, level: float, deviation: float, octaves: float) -> float:
        """Half of the log interval that this share of networks lies in, for one so far from the calibrated ones."""
        normal = float(stats.norm.ppf((1 + level) / 2))
        # How far few points scatter is hardly known itself.
        unsure = float(stats.t.ppf((1 + level) / 2, len(self._missed) - 1)) / normal
        return unsure * math.hypot(quantile * deviation, normal * ERROR_PER_OCTAVE * octaves)


def _safe_quantile(missed: NDArray[np.float64]) -> float:
    """How far hardly any network is missed: never nearer than the left-out points say. On made-up devices of 2 to 10 %
    noise, 5 to 40 points, the interval's own quantile fell short of the level by up to a twentieth."""
    count = len(missed)
    seen = float(np.sort(missed)[min(count, math.ceil((count + 1) * _BOTH_SIDES)) - 1])
    return max(seen, _quantile(missed, _BOTH_SIDES))


def _quantile(missed: NDArray[np.float64], level: float) -> float:
    """How far this share of left-out points is missed at most, in units of their deviations.

    The conformal quantile (Barber, Candès, Ramdas, Tibshirani: "Predictive inference with the jackknife+", 2021),
    drawn towards the prior.
    """
    count = len(missed)
    rank = min(count, math.ceil((count + 1) * level))
    quantile = float(np.sort(missed)[rank - 1])
    prior = float(stats.norm.ppf((1 + level) / 2)) * PRIOR_ERROR_OF_ONE
    return math.sqrt((count * quantile**2 + PRIOR_POINTS * prior**2 / count) / (count + PRIOR_POINTS))
