"""Non-dominated set, hypervolume and knee for any number of objectives: the one place that says what they mean.

A point is its values in the order of the objectives; `maximise` says of each whether more is better. What is left out
of `maximise` is that of the two objectives every study has unless told otherwise: PSNR (more) and latency (less).
Sets and volumes are computed by moocore.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import moocore
import numpy as np

Point = Sequence[float]

PSNR_AND_LATENCY = (True, False)


def pareto_front(points: Sequence[Point], maximise: Sequence[bool] = PSNR_AND_LATENCY) -> list[int]:
    """Indices of the points that no other point beats, in the order of `front_order`: of two objectives fastest first.

    A point beats another when it is at least as good in all objectives and better in one. Of exact duplicates the first
    stays. Points that are not finite are never on the front.
    """
    finite = [index for index, point in enumerate(points) if all(map(math.isfinite, point))]
    if not finite:
        return []
    values = np.array([points[index] for index in finite], dtype=float)
    kept = moocore.is_nondominated(values, maximise=list(maximise), keep_weakly=False)
    front = [index for index, keep in zip(finite, kept, strict=True) if keep]
    return sorted(front, key=lambda index: (front_order(points[index], maximise), index))


def front_order(point: Point, maximise: Sequence[bool]) -> tuple[float, ...]:
    """What a front is sorted by: the objectives to minimise, then those to maximise, each best first."""
    less = [value for value, more in zip(point, maximise, strict=True) if not more]
    return (*less, *(-value for value, more in zip(point, maximise, strict=True) if more))


def beaten(point: Point, others: Sequence[Point], maximise: Sequence[bool] = PSNR_AND_LATENCY) -> bool:
    """Whether one of the others is at least as good in all objectives and better in one."""
    mine = _gains(point, maximise)
    return any(
        all(theirs >= own for theirs, own in zip(gains, mine, strict=True)) and gains != mine
        for gains in (_gains(other, maximise) for other in others)
    )


def hypervolume(points: Sequence[Point], reference: Point, maximise: Sequence[bool] = PSNR_AND_LATENCY) -> float:
    """Volume that the points dominate, down to the reference point; exact. Its unit is the product of the objectives'
    (dB * ms of PSNR and latency).

    Points that are not better than the reference in all objectives contribute nothing.
    """
    finite = [point for point in points if all(map(math.isfinite, point))]
    if not finite:
        return 0.0
    return float(moocore.hypervolume(np.array(finite, dtype=float), ref=list(reference), maximise=list(maximise)))


def hypervolumes(points: Sequence[Point], reference: Point, maximise: Sequence[bool] = PSNR_AND_LATENCY) -> list[float]:
    """The hypervolume of the first point, of the first two, and so on: one value a point."""
    volumes: list[float] = []
    front = np.empty((0, len(maximise)))  # of those so far, as gains: more is better
    for point in points:
        gains = np.array(_gains(point, maximise))
        # A point that another one equals or beats adds nothing, and most do not.
        if np.isfinite(gains).all() and not (front >= gains).all(axis=1).any():
            front = np.vstack([front[(front > gains).any(axis=1)], gains])
            volumes.append(float(moocore.hypervolume(front, ref=_gains(reference, maximise), maximise=True)))
        else:
            volumes.append(volumes[-1] if volumes else 0.0)
    return volumes


def knee(front_points: Sequence[Point], maximise: Sequence[bool] = PSNR_AND_LATENCY) -> int:
    """Index of the front's best compromise: the point whose gains, added up over the objectives, are the largest.

    A gain is how far a point is from the front's worst value of an objective towards its best, from 0 to 1. Of two
    objectives that is the point which bulges farthest out of the line between the front's two ends (Das, "On
    characterizing the knee of the Pareto curve", 1999): a point below that line is a worse bargain than either end, and
    where none bulges (one or two points, a straight or a sagging front) it is the fastest. Of more, it is the point
    farthest out of the plane through the ends that a front without compromises would have, each best in one objective
    and worst in all others. Of equals it is the first in the order of `front_order`.

    Raises:
        ValueError: there are no points.
    """
    if not front_points:
        raise ValueError("a front without points has no knee")
    columns = list(zip(*front_points, strict=True))
    worst = [min(column) if more else max(column) for column, more in zip(columns, maximise, strict=True)]
    spans = [max(column) - min(column) or 1.0 for column in columns]

    def order(index: int) -> tuple[float, tuple[float, ...]]:
        point = front_points[index]
        gain = sum(abs(value - low) / span for value, low, span in zip(point, worst, spans, strict=True))
        # Rounded, so that the noise of a straight front decides nothing.
        return round(-gain, 12), front_order(point, maximise)

    return min(range(len(front_points)), key=order)


def _gains(point: Point, maximise: Sequence[bool]) -> tuple[float, ...]:
    return tuple(value if more else -value for value, more in zip(point, maximise, strict=True))
