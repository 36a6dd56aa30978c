"""The hypervolume of a study as it grows: one reference point for good, and trials in the order they were told in."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from nas_sr.front import Objectives, hypervolume

# Without a limit: times the latency of the first complete trial. A search begins with the paper's largest network, and
# a network that is slower than the reference point adds nothing.
_SLOWEST = 2.0


def reference_point(
    frozen: Sequence[FrozenTrial], bicubic_psnr_db: float | None, limit_ms: float | None, first_ms: float | None
) -> Objectives:
    """The point that hypervolume is measured from; (0, 0) as long as nothing fixes it.

    Nothing in it changes with later trials, nor when a latency is taken again.

    Args:
        frozen: the study's trials.
        bicubic_psnr_db: on the validation images; where it is not known, the first complete trial's PSNR counts.
        limit_ms: on the target, if there is a limit.
        first_ms: latency of the first complete trial on the target, as it was known first.
    """
    first = first_complete(frozen)
    psnr_db = bicubic_psnr_db if bicubic_psnr_db is not None else (first.values[0] if first else 0.0)
    return float(psnr_db), float(limit_ms if limit_ms is not None else _SLOWEST * (first_ms or 0.0))


def history(
    frozen: Sequence[FrozenTrial], points: dict[int, Objectives], reference: Objectives
) -> tuple[tuple[int, float], ...]:
    """(number, hypervolume once it was told) of the trials that have a point, in the order they were told in."""
    told = [trial for trial in _in_order(frozen) if trial.number in points]
    so_far = [points[trial.number] for trial in told]
    return tuple(
        (trial.number, hypervolume(so_far[:count], reference)) for count, trial in enumerate(told, 1)
    )


def first_complete(frozen: Sequence[FrozenTrial]) -> FrozenTrial | None:
    """The trial that was told complete before all others."""
    return next((trial for trial in _in_order(frozen) if trial.state == TrialState.COMPLETE), None)


def _in_order(frozen: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    ended = [(trial.datetime_complete, trial) for trial in frozen if trial.datetime_complete is not None]
    return [trial for _, trial in sorted(ended, key=lambda pair: (pair[0], pair[1].number))]
