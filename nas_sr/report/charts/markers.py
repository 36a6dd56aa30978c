"""How a latency is marked in a chart, so that nobody takes a predicted one for a measured one.

Measured: a full marker with a thin bar from p5 to p95 of its samples. Predicted: a hollow marker on a broad pale bar,
its interval. No trace holds both. Where racing has estimates, what is fainter is less surely on the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from nas_sr.families.registry import NAMES, family
from nas_sr.report.charts import chart_style as style
from nas_sr.report.data.front_info import Point


class Look(NamedTuple):
    """How the points of one group look, whatever the kind of their latencies."""

    symbol: str
    size: int
    colour: str
    whisker: str  # colour of the bar from p5 to p95
    band: str  # colour of the predicted interval


class Spread(Protocol):
    """Whatever has a latency and its low and high end: a `Latency`, a `Point`."""

    @property
    def latency_ms(self) -> float:
        """The figure."""

    @property
    def low_ms(self) -> float:
        """Low end of the samples or of the interval."""

    @property
    def high_ms(self) -> float:
        """High end."""


SYMBOLS = ("circle", "square", "triangle-up", "pentagon", "star", "hexagon")  # of families, where there are several
FRONT = Look("circle", 10, style.FRONT, style.FRONT, style.BAND)
DOMINATED = Look("circle", 8, style.DOMINATED, style.PALE, style.FAINT)
UNTRAINED = Look("circle", 8, style.UNTRAINED, style.UNTRAINED, style.FAINT)
RIVAL = Look("diamond", 12, style.RIVAL, style.RIVAL, style.FAINT)


def marker(look: Look, kind: str) -> dict[str, Any]:
    """Full for "measured", hollow for "predicted"."""
    hollow = kind == "predicted"
    return {
        "symbol": look.symbol,
        "size": look.size,
        "color": style.SURFACE if hollow else look.colour,
        "opacity": 1,
        "line": {"width": 2, "color": look.colour} if hollow else {"width": 1.2, "color": style.SURFACE},
    }


def certainty(points: Sequence[Point]) -> dict[str, Any]:
    """What racing knows of a trace's points: bars of one standard deviation of the PSNR, and an opacity from 0.25 to 1
    by the probability of being on the true front. Nothing where none has an estimate."""
    if not any(point.front_probability is not None for point in points):
        return {}
    sds = [point.sd_db or 0.0 for point in points]
    opacity = [1.0 if p.front_probability is None else 0.25 + 0.75 * p.front_probability for p in points]
    bar = {"type": "data", "array": sds, "color": style.DOMINATED, "thickness": 1.2, "width": 3}
    return {"error_y": bar, "marker": {"opacity": opacity}}


def by_family(traces: list[dict[str, Any]], family_of: Mapping[int, str]) -> list[dict[str, Any]]:
    """Gives points the symbol of their family, and each family a line of the legend; nothing where there is but one.

    Args:
        traces: those that hold trials, whose numbers are their `customdata`.
        family_of: of every trial.
    """
    there = [name for name in NAMES if name in family_of.values()]
    if len(there) < 2:
        return traces
    symbols = dict(zip(there, SYMBOLS, strict=False))
    marked = [
        trace | {"marker": trace["marker"] | {"symbol": [symbols[family_of[number]] for number in trace["customdata"]]}}
        for trace in traces
    ]
    look = {"size": 9, "color": style.DOMINATED}
    legend = [
        {
            "type": "scatter",
            "name": family(name).title,
            "x": [None],
            "y": [None],
            "mode": "markers",
            "marker": {**look, "symbol": symbol},
            "hoverinfo": "skip",
            "legendrank": 6,
        }
        for name, symbol in symbols.items()
    ]
    return [*marked, *legend]


def bars(look: Look, kind: str, spreads: Sequence[Spread]) -> dict[str, Any]:
    """Thin whiskers for "measured", broad bands for "predicted"."""
    drawn = (
        {"color": look.band, "thickness": 7, "width": 0}
        if kind == "predicted"
        else {"color": look.whisker, "thickness": 1.2, "width": 3}
    )
    return {
        "type": "data",
        "symmetric": False,
        "array": [one.high_ms - one.latency_ms for one in spreads],
        "arrayminus": [one.latency_ms - one.low_ms for one in spreads],
        **drawn,
    }
