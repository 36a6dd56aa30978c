"""Latency on one target against latency on another, one point a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nas_sr.quantities import listed, significant
from nas_sr.report.charts import chart_style as style
from nas_sr.report.charts import markers
from nas_sr.report.charts.hover import network_hover
from nas_sr.report.charts.labels import along, place
from nas_sr.report.data.target_comparison import Network, Pair, predicted_targets

PLOT_PX = (520.0, 400.0)  # size of the plot that numbers are placed for
PADDING = 0.06  # of the span, on each side of the logarithmic axes


def comparison_chart(pair: Pair) -> style.Chart:
    """Both axes are logarithmic, so that one ratio of latencies is one straight line wherever it lies.

    Bars are drawn for the fronts' networks only; markers are hollow where one of the two latencies was predicted.

    Raises:
        ValueError: no network has a latency on both targets.
    """
    if pair.ratio is None:
        raise ValueError(f"no network has a latency on both {' and '.join(pair.targets)}")
    one, other = pair.targets
    groups = {
        (): ("Neither front", markers.DOMINATED),
        (one,): (f"Front of {one} only", markers.FRONT._replace(symbol="triangle-left", size=12)),
        (other,): (f"Front of {other} only", markers.FRONT._replace(symbol="triangle-down", size=12)),
        (one, other): ("Both fronts", markers.FRONT),
    }
    ranges = [_range(pair, index) for index in (0, 1)]
    sides = _sides(pair, pair.ratio, ranges)
    data = []
    for rank, (fronts, (name, look)) in enumerate(groups.items()):
        members = [network for network in pair.networks if network.fronts == fronts]
        for number, kinds in enumerate(dict.fromkeys(_kinds(network) for network in members)):
            found = [network for network in members if _kinds(network) == kinds]
            trace = _points(look, found, pair.targets, sides)
            legend = {"legendgroup": name, "legendrank": -rank, "showlegend": number == 0}
            data.append(trace | {"name": f"{name} ({len(members)})", **legend})
    layout = style.layout(
        xaxis=_axis(f"latency on {one} [ms]", ranges[0]),
        yaxis=_axis(f"latency on {other} [ms]", ranges[1]),
        clickmode="event",
    )
    return style.chart([_line(pair.ratio, other, ranges[0]), *_hollow(pair), *data, style.selection()], layout)


def _line(ratio: float, other: str, range_: Sequence[float]) -> dict[str, Any]:
    """Where the ratio of the two latencies is the median one."""
    ends_ms = [10**end for end in range_]
    return {
        "type": "scatter",
        "name": f"{significant(ratio, 2)} × as long on {other}",
        "x": ends_ms,
        "y": [ratio * end for end in ends_ms],
        "mode": "lines",
        "hoverinfo": "skip",
        "line": {"color": style.MUTED, "width": 1.2, "dash": "dash"},
        "legendrank": 1002,
    }


def _hollow(pair: Pair) -> list[dict[str, Any]]:
    """The legend's entry that says what a hollow marker is; nothing where there is none."""
    predicted = predicted_targets(pair)
    if not predicted:
        return []
    entry = {"type": "scatter", "name": f"Hollow: predicted on {listed(predicted)}", "x": [None], "y": [None]}
    return [entry | {"mode": "markers", "marker": markers.marker(markers.DOMINATED, "predicted"), "legendrank": 1001}]


def _kinds(network: Network) -> tuple[str, ...]:
    return tuple(latency.kind for latency in network.latencies)


def _points(
    look: markers.Look, found: Sequence[Network], targets: tuple[str, str], sides: dict[int, str]
) -> dict[str, Any]:
    """Networks of one group whose latencies are of the same two kinds."""
    kinds = _kinds(found[0])
    horizontal, vertical = ([network.latencies[index] for network in found] for index in (0, 1))
    trace = {
        "type": "scatter",
        "x": [latency.latency_ms for latency in horizontal],
        "y": [latency.latency_ms for latency in vertical],
        "customdata": [network.trial for network in found],
        "hovertext": [network_hover(network, targets) for network in found],
        "hoverinfo": "text",
        "mode": "markers",
        "marker": markers.marker(look, "predicted" if "predicted" in kinds else "measured"),
    }
    if not found[0].fronts:
        return trace
    return trace | {
        "mode": "markers+text",
        "text": [str(network.trial) for network in found],
        "textposition": [sides[network.trial] for network in found],
        "textfont": {"size": 12, "color": style.INK},
        "error_x": markers.bars(look, kinds[0], horizontal),
        "error_y": markers.bars(look, kinds[1], vertical),
    }


def _range(pair: Pair, index: int) -> list[float]:
    """The exponents of ten between which an axis shows every point, and the intervals of the fronts' predictions."""
    latencies_ms = [network.latencies[index].latency_ms for network in pair.networks]
    for network in pair.networks:
        latency = network.latencies[index]
        if network.fronts and latency.kind == "predicted":
            latencies_ms += [latency.low_ms, latency.high_ms]
    low, high = math.log10(min(latencies_ms)), math.log10(max(latencies_ms))
    space = PADDING * max(high - low, 0.1)
    return [low - space, high + space]


def _axis(title: str, range_: list[float]) -> dict[str, Any]:
    ticks_ms = _ticks_ms(*(10**end for end in range_))
    texts = [f"{tick:g}" for tick in ticks_ms]
    return style.axis(title, type="log", range=range_, tickvals=ticks_ms, ticktext=texts)


def _ticks_ms(low_ms: float, high_ms: float) -> list[float]:
    """Round numbers between two others, closer together where there would be few. Plotly's own leave out the tens."""
    for mantissas in ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), tuple(n / 10 for n in range(10, 100))):
        decades = range(math.floor(math.log10(low_ms)), math.ceil(math.log10(high_ms)) + 1)
        found = [float(f"{m * 10.0**decade:.3g}") for decade in decades for m in mantissas]
        ticks_ms = [tick for tick in found if low_ms <= tick <= high_ms]
        if len(ticks_ms) >= 3:
            break
    return ticks_ms


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
