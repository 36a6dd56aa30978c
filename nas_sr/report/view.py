"""Which part of the plane the Pareto chart opens on: one diverged trial must not squash the front into a line."""

from __future__ import annotations

from typing import NamedTuple

from nas_sr.report.info import FrontInfo

PADDING = 0.07  # of the span, on each side


class View(NamedTuple):
    """The ranges of the two axes, and how many trials lie outside of them."""

    latency_ms: tuple[float, float]
    psnr_db: tuple[float, float]
    outside: int


def view(info: FrontInfo) -> View:
    """Shows the whole front, and what lies within 1.5 times its extent below it and twice beside it.

    Raises:
        ValueError: the front is empty.
    """
    if not info.front:
        raise ValueError("a chart needs at least one trial with both PSNR and latency")
    best_db, worst_db = info.front[-1].psnr_db or 0.0, info.front[0].psnr_db or 0.0
    low_db = worst_db - 1.5 * max(best_db - worst_db, 0.2)
    heights = [point.psnr_db for point in info.points if point.psnr_db is not None]
    references_db = [] if info.bicubic_psnr_db is None else [info.bicubic_psnr_db]
    shown_db = [height for height in heights + references_db if height >= low_db]

    slowest_ms = max(point.p95_ms for point in info.front)
    fastest_ms = min(point.p5_ms for point in info.front)
    far_ms = slowest_ms + 2 * max(slowest_ms - fastest_ms, 0.25 * slowest_ms)
    everything = info.points + info.without_psnr
    limits_ms = [] if info.max_latency_ms is None else [info.max_latency_ms]
    ends_ms = [point.p5_ms for point in everything] + [point.p95_ms for point in everything] + limits_ms
    shown_ms = [end for end in ends_ms if end <= far_ms]

    psnr_range = _padded(min(shown_db), max(shown_db), least=0.1)
    latency_range = _padded(min(shown_ms), max(shown_ms), least=0.1 * slowest_ms)
    outside = sum(
        not latency_range[0] <= point.latency_ms <= latency_range[1]
        or (point.psnr_db is not None and not psnr_range[0] <= point.psnr_db <= psnr_range[1])
        for point in everything
    )
    return View(latency_range, psnr_range, outside)


def _padded(low: float, high: float, least: float) -> tuple[float, float]:
    space = PADDING * max(high - low, least)
    return low - space, high + space
