"""The charts about the search itself: hypervolume, importance of the parameters, training curves."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nas_sr.objectives import named
from nas_sr.quantities import listed, significant
from nas_sr.report.charts import chart_style as style
from nas_sr.report.data.search_history import Curve, Hypervolume, Importance


def hypervolume_chart(found: Hypervolume) -> style.Chart:
    """Hypervolume after each trial that was told, as steps."""
    unit, counts = found.unit, list(range(1, len(found.trials) + 1))
    texts = zip(found.trials, found.values, strict=True)
    trace = {
        "type": "scatter",
        "name": "hypervolume",
        "x": counts,
        "y": found.values,
        "customdata": found.trials,
        "hovertext": [f"After trial {number}: {significant(value, 4)} {unit}" for number, value in texts],
        "hoverinfo": "text",
        "mode": "lines+markers" if len(counts) <= 60 else "lines",
        "line": {"shape": "hv", "color": style.FRONT, "width": 2},
        "marker": {"size": 5, "color": style.FRONT},
        "showlegend": False,
        "cliponaxis": False,
    }
    few = {"dtick": 1} if len(counts) < 10 else {}
    layout = style.layout(
        xaxis=style.axis("trials told", rangemode="tozero", tickformat="d", **few),
        yaxis=style.axis(f"hypervolume [{unit}]", rangemode="tozero"),
    )
    return style.chart([trace], layout)


def importance_chart(found: Sequence[Importance]) -> style.Chart:
    """Bars for each parameter, one an objective; every other is hatched, so that not only colour tells them apart."""
    objectives = list(dict.fromkeys(objective for one in found for objective in one.shares))
    looks: list[dict[str, Any]] = [
        {"color": style.FRONT},
        {
            "color": style.SECOND,
            "pattern": {"shape": "/", "fillmode": "overlay", "size": 6, "solidity": 0.25, "fgcolor": style.SURFACE},
        },
    ]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": named(objective).title,
            "y": [one.parameter for one in found],
            "x": [one.shares[objective] for one in found],
            "text": [f"{one.shares[objective]:.0%}" for one in found],
            "textposition": "outside",
            "textfont": {"size": 11, "color": style.MUTED},
            "cliponaxis": False,
            "hovertemplate": "%{y}: %{x:.1%}",
            "marker": looks[index % len(looks)] | {"opacity": 1 if index < len(looks) else 0.5},
        }
        for index, objective in enumerate(objectives)
    ]
    layout = style.layout(
        barmode="group",
        bargap=0.32,
        bargroupgap=0.08,
        xaxis=style.axis("importance for being among the best", tickformat=".0%", rangemode="tozero"),
        yaxis=style.axis("", autorange="reversed", ticks="", tickfont={"size": 12.5, "color": style.INK}),
    )
    layout["legend"]["traceorder"] = "normal"
    return style.chart(data, layout)


def curves_chart(found: Sequence[Curve], knees: Mapping[int, tuple[str, ...]], targets: int = 1) -> style.Chart:
    """Validation PSNR over steps: all other trials as one pale trace, the fronts' above it, the knees' on top.

    Args:
        found: the curves.
        knees: trials at the knee of a front, each with the targets whose knee it is.
        targets: how many targets, and so fronts, the study has.
    """
    others = [curve for curve in found if not curve.on_front]
    front = [curve for curve in found if curve.on_front and curve.trial not in knees]
    chosen = [curve for curve in found if curve.trial in knees]
    data = [
        _lines(f"Other trials ({len(others)})", others, {"color": style.PALE, "width": 1.2}),
        _lines(
            f"On {'the' if targets == 1 else 'a'} front ({len(front)})", front, {"color": style.FRONT, "width": 1.6}
        ),
    ]
    for curve, dash in zip(chosen, itertools.cycle(("solid", "dash", "dot"))):
        where = f" on {listed(knees[curve.trial])}" if targets > 1 else ""
        data.append(
            _lines(f"Knee{where}, trial {curve.trial}", [curve], {"color": style.KNEE, "width": 3, "dash": dash})
        )
    layout = style.layout(
        xaxis=style.axis("training steps", rangemode="tozero"),
        yaxis=style.axis("validation PSNR [dB]", tickformat=".2f", **_curve_range([*chosen, *front], found)),
        showlegend=True,
    )
    return style.chart([trace for trace in data if trace["x"]], layout)


def _curve_range(front: Sequence[Curve], everything: Sequence[Curve]) -> dict[str, Any]:
    """Opens on the front's curves after the first tenth of training: a bad start would flatten all the others."""
    last = max((curve.steps[-1] for curve in front), default=0)
    settled = [y for curve in front for x, y in zip(curve.steps, curve.psnr_db, strict=True) if x >= last / 10]
    if not settled:
        return {}
    low, high = min(settled), max(y for curve in everything for y in curve.psnr_db)
    span = max(high - low, 0.1)
    lowest = min(y for curve in everything for y in curve.psnr_db)
    return {"range": [max(lowest, low - span) - 0.05 * span, high + 0.05 * span]}


def _lines(name: str, found: Iterable[Curve], line: dict[str, Any]) -> dict[str, Any]:
    """Many curves as one trace with gaps: five hundred traces would make the page slow."""
    x: list[float | None] = []
    y: list[float | None] = []
    trials: list[int | None] = []
    for curve in found:
        x += [*curve.steps, None]
        y += [*(round(value, 4) for value in curve.psnr_db), None]
        trials += [curve.trial] * len(curve.steps) + [None]
    return {
        "type": "scatter",
        "name": name,
        "x": x,
        "y": y,
        "customdata": trials,
        "hovertemplate": Markup("trial %{customdata}<br>step %{x}: %{y:.3f} dB<extra></extra>"),
        "mode": "lines+markers",
        "connectgaps": False,
        "line": line,
        "marker": {"size": 4},
    }
