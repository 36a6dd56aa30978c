"""The hypervolume of a study as it grows: one reference point for good, and trials in the order they were told in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial

from nas_sr.pareto import Objectives, hypervolume

# A network that is slower than the reference point adds nothing. The paper's slowest takes about twice as long as the
# reference network, imdeception-c8, and the largest of the shipped space about four times.
_SLOWEST = 4.0
# Where no device was ever measured, of the first complete trial; a search begins with the paper's largest.
_SLOWEST_OF_FIRST = 2.0


class Growth:
    """How the area that the front dominates grew."""

    def __init__(
        self,
        frozen: Sequence[FrozenTrial],
        points: Mapping[int, Objectives],
        bicubic_psnr_db: float | None,
        limit_ms: float | None,
        reference_ms: float | None,
    ) -> None:
        """
        Args:
            frozen: the study's trials.
            points: of those that count, by number.
            bicubic_psnr_db: on the validation images; the first trial's PSNR takes its place.
            limit_ms: on the target, if there is a limit.
            reference_ms: what the reference network takes on the target, if that was ever measured.
        """
        ended = [(trial.datetime_complete, trial.number) for trial in frozen if trial.datetime_complete is not None]
        self._told = [(number, points[number]) for _, number in sorted(ended) if number in points]
        first = self._told[0][1] if self._told else (0.0, 0.0)
        self._psnr_db = first[0] if bicubic_psnr_db is None else bicubic_psnr_db
        self._latency_ms = limit_ms or _SLOWEST * (reference_ms or 0.0) or _SLOWEST_OF_FIRST * first[1]

    @property
    def reference(self) -> Objectives:
        """The point that the area is measured from. Later trials do not move it."""
        return float(self._psnr_db), float(self._latency_ms)

    @property
    def history(self) -> tuple[tuple[int, float], ...]:
        """(number, area once it was told) in the order the trials were told in."""
        points = [point for _, point in self._told]
        return tuple(
            (number, hypervolume(points[:count], self.reference)) for count, (number, _) in enumerate(self._told, 1)
        )
