"""The charts of how a search went in detail: hypervolume over steps, drift, parallel coordinates, marginal effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from nas_sr.quantities import milliseconds, plural
from nas_sr.report.charts import chart_style as style
from nas_sr.report.data.parameters import Effect, Lines
from nas_sr.report.data.search_history import Drift, Hypervolume


def compute_chart(found: Hypervolume) -> style.Chart:
    """Hypervolume over the training steps that all trials took until then."""
    trace = {
        "type": "scatter",
        "x": found.steps,
        "y": found.values,
        "customdata": found.trials,
        "hovertemplate": Markup("after trial %{customdata}<br>%{x:,} steps<extra></extra>"),
        "mode": "lines",
        "line": {"shape": "hv", "color": style.FRONT, "width": 2},
        "showlegend": False,
    }
    layout = style.layout(
        xaxis=style.axis("training steps of all trials", rangemode="tozero"),
        yaxis=style.axis(f"hypervolume [{found.unit}]", rangemode="tozero"),
    )
    return style.chart([trace], layout)


def drift_chart(found: Drift) -> style.Chart:
    """How fast the reference network was beside each candidate, in the order of the measurements."""
    trace = {
        "type": "scatter",
        "x": found.at,
        "y": found.reference_ms,
        "customdata": found.trials,
        "hovertext": [
            f"trial {trial}: {milliseconds(value)}"
            for trial, value in zip(found.trials, found.reference_ms, strict=True)
        ],
        "hoverinfo": "text",
        "mode": "markers",
        "marker": {
            "size": 8,
            "color": style.FRONT,
            "symbol": ["circle" if stable else "x-thin-open" for stable in found.stable],
            "line": {"width": 1.6, "color": style.FRONT},
        },
        "showlegend": False,
    }
    layout = style.layout(
        xaxis=style.axis("measured at (UTC)", type="date"),
        yaxis=style.axis("reference network [ms]", rangemode="tozero"),
    )
    return style.chart([trace], layout)


def parallel_chart(found: Lines) -> style.Chart:
    """Each complete trial as a line through its parameters and what came of them, the front's on top."""

    def trace(name: str, front: bool, **more: Any) -> dict[str, Any]:
        x: list[int | None] = []
        y: list[float | None] = []
        trials: list[int | None] = []
        for place, trial in enumerate(found.trials):
            if found.on_front[place] == front:
                x += [*range(len(found.axes)), None]
                y += [*(None if (at := each.places[place]) is None else round(at, 3) for each in found.axes), None]
                trials += [trial] * len(found.axes) + [None]
        return {
            "type": "scatter",
            "name": name,
            "x": x,
            "y": y,
            "customdata": trials,
            "hovertemplate": Markup("trial %{customdata}<extra></extra>"),
            "mode": "lines+markers",
            "marker": {"size": 5},
            "connectgaps": False,
            **more,
        }

    others = trace("Other trials", False, line={"color": style.PALE, "width": 1})
    front = trace("Pareto front", True, line={"color": style.FRONT, "width": 2})
    names = [
        {
            "x": place,
            "y": end,
            "yshift": shift,
            "text": text,
            "showarrow": False,
            "font": {"size": 11.5, "color": style.MUTED},
        }
        for place, each in enumerate(found.axes)
        for end, text, shift in ((0, each.low, -14), (1, each.high, 14))
    ]
    layout = style.layout(
        xaxis=style.axis(
            "", tickvals=list(range(len(found.axes))), ticktext=[each.title for each in found.axes], tickangle=0
        ),
        yaxis=style.axis("", range=[-0.12, 1.12], showticklabels=False, ticks="", showgrid=False),
        annotations=names,
    )
    return style.chart([one for one in (others, front) if one["x"]], layout)


def effects_chart(found: Sequence[Effect]) -> style.Chart:
    """Mean PSNR of the trials with each value of each parameter, with their standard deviation."""
    trace = {
        "type": "scatter",
        "x": [[one.parameter for one in found], [one.value for one in found]],
        "y": [one.psnr_db for one in found],
        "error_y": {
            "type": "data",
            "array": [one.sd_db for one in found],
            "color": style.PALE,
            "thickness": 1.4,
            "width": 3,
        },
        "hovertext": [
            f"{one.parameter} {one.value}: mean of {plural(one.trials, 'trial')} {one.psnr_db:.3f} dB,"
            f" {milliseconds(one.latency_ms)}"
            for one in found
        ],
        "hoverinfo": "text",
        "mode": "markers",
        "marker": {"size": 9, "color": style.FRONT},
        "showlegend": False,
    }
    layout = style.layout(
        xaxis=style.axis("", type="multicategory"), yaxis=style.axis("mean PSNR [dB]", tickformat=".2f")
    )
    return style.chart([trace], layout)
