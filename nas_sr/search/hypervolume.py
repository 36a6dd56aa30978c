"""The hypervolume of a study as it grows: one reference point for good, and trials in the order they were told in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from nas_sr.objectives import DEFAULT, LATENCY, PSNR, Objective, maximised
from nas_sr.pareto import Point, hypervolumes

# A network that is slower than the reference point adds nothing. The paper's slowest takes about twice as long as the
# reference network, imdeception-c8, and the largest of the shipped space about four times.
_SLOWEST = 4.0
# Where nothing else is known, of the first complete trial; a search begins with the paper's largest.
_WORST_OF_FIRST = 2.0


class Growth:
    """How the volume that the front dominates grew."""

    def __init__(
        self,
        frozen: Sequence[FrozenTrial],
        points: Mapping[int, Point],
        bicubic_psnr_db: float | None,
        limits: Mapping[str, float],
        reference_ms: float | None,
        objectives: Sequence[Objective] = DEFAULT,
    ) -> None:
        """
        Args:
            frozen: the study's trials.
            points: of those that count, by number; a point's values are in the order of the objectives.
            bicubic_psnr_db: on the validation images; the first trial's PSNR takes its place.
            limits: on the target, by objective.
            reference_ms: what the reference network takes on the target, if that was ever measured.
            objectives: of the study.
        """
        ended = [(trial.datetime_complete, trial.number) for trial in frozen if trial.datetime_complete is not None]
        self._told = [(number, points[number]) for _, number in sorted(ended) if number in points]
        whole = (point for _, point in self._told if all(map(math.isfinite, point)))
        first = next(whole, (0.0,) * len(objectives))
        known = {PSNR.name: bicubic_psnr_db, LATENCY.name: _SLOWEST * reference_ms if reference_ms else None}
        self._objectives = objectives
        self._reference = tuple(
            float(_worst(objective, limits.get(objective.name), known.get(objective.name), value))
            for objective, value in zip(objectives, first, strict=True)
        )

    @property
    def reference(self) -> tuple[float, ...]:
        """The point that the volume is measured from. Later trials do not move it."""
        return self._reference

    @property
    def history(self) -> tuple[tuple[int, float], ...]:
        """(number, volume once it was told) in the order the trials were told in."""
        volumes = hypervolumes([point for _, point in self._told], self.reference, maximised(self._objectives))
        return tuple((number, volume) for (number, _), volume in zip(self._told, volumes, strict=True))


def _worst(objective: Objective, limit: float | None, known: float | None, first: float) -> float:
    """The value of an objective from which on a trial adds nothing."""
    if objective.maximise:
        return first if known is None else known
    if limit is not None:
        return limit
    return _WORST_OF_FIRST * first if known is None else known
