"""Which part of the plane the Pareto chart opens on: one diverged trial must not squash the front into a line."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from nas_sr.report.data.front_info import FrontInfo

PADDING = 0.07  # of the span, on each side


class View(NamedTuple):
    """The ranges of the two axes, and what lies outside of them."""

    latency_ms: tuple[float, float]
    psnr_db: tuple[float, float]
    outside: int  # trials
    baselines_outside: tuple[str, ...]  # by name


def view(info: FrontInfo) -> View:
    """Shows the whole front, and what lies within 1.5 times its extent below it (baselines: also above it) and twice
    beside it.

    Raises:
        ValueError: the front is empty.
    """
    if not info.front:
        raise ValueError("a chart needs at least one trial with both PSNR and latency")
    front_db = [point.psnr_db or 0.0 for point in info.front]
    best_db, worst_db = max(front_db), min(front_db)
    far_db = 1.5 * max(best_db - worst_db, 0.2)
    slowest_ms = max(point.high_ms for point in info.front)
    fastest_ms = min(point.low_ms for point in info.front)
    far_ms = slowest_ms + 2 * max(slowest_ms - fastest_ms, 0.25 * slowest_ms)
    near = [
        each
        for each in info.baselines
        if worst_db - far_db <= each.psnr_db <= best_db + far_db and each.latency.latency_ms <= far_ms
    ]

    heights = [point.psnr_db for point in info.points if point.psnr_db is not None]
    heights += [each.psnr_db for each in near]
    references_db = [] if info.bicubic_psnr_db is None else [info.bicubic_psnr_db]
    shown_db = [height for height in heights + references_db if height >= worst_db - far_db]

    trials = info.points + info.without_psnr
    limits_ms = [] if info.max_latency_ms is None else [info.max_latency_ms]
    bars = [(point.low_ms, point.high_ms) for point in trials]
    bars += [(each.latency.low_ms, each.latency.high_ms) for each in near]
    shown_ms = [end for end in [*itertools.chain(*bars), *limits_ms] if end <= far_ms]

    psnr_range = _padded(min(shown_db), max(shown_db), least=0.1)
    latency_range = _padded(min(shown_ms), max(shown_ms), least=0.1 * slowest_ms)

    def is_outside(latency_ms: float, psnr_db: float | None) -> bool:
        return not latency_range[0] <= latency_ms <= latency_range[1] or (
            psnr_db is not None and not psnr_range[0] <= psnr_db <= psnr_range[1]
        )

    return View(
        latency_range,
        psnr_range,
        sum(is_outside(point.latency_ms, point.psnr_db) for point in trials),
        tuple(each.name for each in info.baselines if is_outside(each.latency.latency_ms, each.psnr_db)),
    )


def _padded(low: float, high: float, least: float) -> tuple[float, float]:
    space = PADDING * max(high - low, least)
    return low - space, high + space
