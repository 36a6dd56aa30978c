"""Pareto front, hypervolume and knee of (PSNR, latency) points: the one place that says what they mean."""

from __future__ import annotations

import math
from collections.abc import Sequence

Objectives = tuple[float, float]  # (psnr_db, latency_ms): more PSNR and less latency are better


def pareto_front(points: Sequence[Objectives]) -> list[int]:
    """Indices of the points that no other point beats, fastest first.

    A point beats another when it is at least as good in both and better in one. Of exact duplicates the first stays.
    Points that are not finite are never on the front.
    """
    finite = [index for index, point in enumerate(points) if all(map(math.isfinite, point))]
    front: list[int] = []
    best = -math.inf
    for index in sorted(finite, key=lambda index: (points[index][1], -points[index][0])):
        if points[index][0] > best:
            front.append(index)
            best = points[index][0]
    return front


def beaten(point: Objectives, others: Sequence[Objectives]) -> bool:
    """Whether one of the others is at least as good in both and better in one."""
    return any(psnr >= point[0] and latency <= point[1] and (psnr, latency) != point for psnr, latency in others)


def hypervolume(points: Sequence[Objectives], reference: Objectives) -> float:
    """Area [dB * ms] that the points dominate, down to the reference's PSNR and up to its latency; exact.

    Points that are not better than the reference in both contribute nothing.
    """
    floor_db, ceiling_ms = reference
    area = 0.0
    for index in pareto_front(points):
        psnr_db, latency_ms = points[index]
        if latency_ms < ceiling_ms and psnr_db > floor_db:
            # Walking from fastest to slowest, each point adds the strip above the one before it.
            area += (psnr_db - floor_db) * (ceiling_ms - latency_ms)
            floor_db = psnr_db
    return area


def knee(front_points: Sequence[Objectives]) -> int:
    """Index of the front's best compromise: the point that bulges farthest out of the line between its two ends.

    Both axes are normalised to the front's extent (Das, "On characterizing the knee of the Pareto curve", 1999).
    Only points on the good side of the line count: one that sags below it is a worse bargain than either end.
    Where none bulges (one or two points, a straight or a sagging front) it is the fastest point.

    Raises:
        ValueError: there are no points.
    """
    if not front_points:
        raise ValueError("a front without points has no knee")
    psnr = [point[0] for point in front_points]
    latency = [point[1] for point in front_points]
    psnr_span = max(psnr) - min(psnr) or 1.0
    latency_span = max(latency) - min(latency) or 1.0

    def order(index: int) -> tuple[float, float]:
        bulge = (psnr[index] - min(psnr)) / psnr_span - (latency[index] - min(latency)) / latency_span
        return round(-bulge, 12), latency[index]  # rounded, so that the noise of a straight front decides nothing

    return min(range(len(front_points)), key=order)
