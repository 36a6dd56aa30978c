"""Latency on one target against latency on another, one point a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from nas_sr.report import chart_style as style
from nas_sr.report import marks
from nas_sr.report.comparison import Network, Pair
from nas_sr.report.hover import latency_lines
from nas_sr.report.labels import along, place
from nas_sr.report.words import listed, significant

PLOT_PX = (520.0, 400.0)  # size of the plot that numbers are placed for
PADDING = 0.06  # of the span, on each side of the logarithmic axes


def comparison_chart(pair: Pair) -> style.Chart:
    """Both axes are logarithmic, so that one ratio of latencies is one straight line wherever it lies.

    Raises:
        ValueError: no network has a latency on both targets.
    """
    if pair.ratio is None:
        raise ValueError(f"no network has a latency on both {' and '.join(pair.targets)}")
    one, other = pair.targets
    groups = {
        (): ("On neither front", marks.DOMINATED),
        (one,): (f"Only on that of {one}", marks.FRONT._replace(symbol="triangle-left", size=12)),
        (other,): (f"Only on that of {other}", marks.FRONT._replace(symbol="triangle-down", size=12)),
        (one, other): ("On both fronts", marks.FRONT),
    }
    ranges = [_range([network.latencies[index].latency_ms for network in pair.networks]) for index in (0, 1)]
    sides = _sides(pair, pair.ratio, ranges)
    data = []
    for fronts, (name, look) in groups.items():
        for kinds in dict.fromkeys(_kinds(network) for network in pair.networks):
            found = [each for each in pair.networks if each.fronts == fronts and _kinds(each) == kinds]
            if found:
                data.append(_points(name, look, found, pair.targets, sides))
    ends_ms = [10**end for end in ranges[0]]
    line = {
        "type": "scatter",
        "name": f"{significant(pair.ratio, 2)} times as long on {other}",
        "x": ends_ms,
        "y": [pair.ratio * end for end in ends_ms],
        "mode": "lines",
        "hoverinfo": "skip",
        "line": {"color": style.MUTED, "width": 1.2, "dash": "dash"},
    }
    layout = style.layout(
        xaxis=style.axis(f"latency on {one} [ms]", type="log", dtick="D2", range=ranges[0]),
        yaxis=style.axis(f"latency on {other} [ms]", type="log", dtick="D2", range=ranges[1]),
        clickmode="event",
    )
    return {"data": [line, *data, style.selection()], "layout": layout}


def _kinds(network: Network) -> tuple[str, ...]:
    return tuple(latency.kind for latency in network.latencies)


def _points(
    name: str, look: marks.Look, found: Sequence[Network], targets: tuple[str, str], sides: dict[int, str]
) -> dict[str, Any]:
    """Networks of one group whose latencies are of the same two kinds."""
    kinds = _kinds(found[0])
    predicted = [target for target, kind in zip(targets, kinds, strict=True) if kind == "predicted"]
    suffix = f", predicted on {listed(predicted)}" if predicted else ""
    horizontal, vertical = ([network.latencies[index] for network in found] for index in (0, 1))
    return {
        "type": "scatter",
        "name": f"{name}{suffix} ({len(found)})",
        "x": [latency.latency_ms for latency in horizontal],
        "y": [latency.latency_ms for latency in vertical],
        "customdata": [network.trial for network in found],
        "hovertext": [_hover(network, targets) for network in found],
        "hoverinfo": "text",
        "mode": "markers+text" if found[0].fronts else "markers",
        "text": [str(network.trial) for network in found],
        "textposition": [sides.get(network.trial, "top center") for network in found],
        "textfont": {"size": 12, "color": style.INK},
        "marker": marks.marker(look, "predicted" if predicted else "measured"),
        "error_x": marks.bars(look, kinds[0], horizontal),
        "error_y": marks.bars(look, kinds[1], vertical),
    }


def _hover(network: Network, targets: tuple[str, str]) -> str:
    lines = [f"<b>Trial {network.trial}</b>, {escape(network.name)}"]
    for target, latency in zip(targets, network.latencies, strict=True):
        lines += [f"<b>{escape(target)}</b>", *latency_lines(latency)]
    return "<br>".join(lines)


def _range(latencies_ms: Sequence[float]) -> list[float]:
    """The exponents of ten between which an axis shows all of these."""
    low, high = math.log10(min(latencies_ms)), math.log10(max(latencies_ms))
    space = PADDING * max(high - low, 0.1)
    return [low - space, high + space]


def _sides(pair: Pair, ratio: float, ranges: Sequence[Sequence[float]]) -> dict[int, str]:
    """Where the numbers of the fronts' trials stand."""

    def pixels(*latencies_ms: float) -> tuple[float, float]:
        x, y = (
            (math.log10(latency_ms) - low) / (high - low) * size
            for latency_ms, (low, high), size in zip(latencies_ms, ranges, PLOT_PX, strict=True)
        )
        return x, y

    places = {each.trial: pixels(*(latency.latency_ms for latency in each.latencies)) for each in pair.networks}
    named = [network.trial for network in pair.networks if network.fronts]
    start_ms, end_ms = (10**end for end in ranges[0])
    obstacles = [*places.values(), *along(pixels(start_ms, ratio * start_ms), pixels(end_ms, ratio * end_ms))]
    sides = place([places[number] for number in named], [str(number) for number in named], obstacles, PLOT_PX)
    return dict(zip(named, sides, strict=True))
