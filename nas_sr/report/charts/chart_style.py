"""What all charts share. A chart is a plain Plotly dict without colours of its own: `@name` stands for a CSS variable
of the page, so that one chart serves light and dark.

Plotly reads a little HTML in every text. So `chart`, which makes all of them, escapes every text of a chart but two
kinds: a `Markup`, which a template has rendered or which stands in the code, and a `Variable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

Chart = dict[str, Any]  # {"data": [...], "layout": {...}}


class Variable(str):
    """`@name`: a CSS variable of the page, or its font."""


COLOURS = INK, MUTED, GRID, LINE, SURFACE, FRONT, KNEE, DOMINATED, UNTRAINED, SECOND, PALE, BAND, FAINT, RIVAL = tuple(
    Variable(f"@{name}")
    for name in (
        *("ink", "muted", "grid", "line", "surface", "front", "knee", "dominated", "untrained", "second", "pale"),
        *("band", "faint", "rival"),
    )
)
FONT = Variable("@font")
MARGIN = {"l": 64, "r": 52, "t": 16, "b": 52}  # pixels; the tools stand in the right one


def chart(data: Sequence[dict[str, Any]], layout: dict[str, Any]) -> Chart:
    """A chart of these traces, its texts escaped."""
    return {"data": [_escaped(trace) for trace in data], "layout": _escaped(layout)}


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    if isinstance(value, Variable | Markup) or not isinstance(value, str):
        return value
    # The page would take an "@" in front for a variable's.
    text = str(escape(value))
    return f"&#64;{text[1:]}" if text.startswith("@") else text


def axis(title: str, **more: Any) -> dict[str, Any]:
    """A quiet axis: hairline grid, no zero line."""
    return {
        "title": {"text": title, "font": {"size": 13, "color": MUTED}, "standoff": 10},
        "gridcolor": GRID,
        "linecolor": LINE,
        "showline": True,
        "ticks": "outside",
        "tickcolor": LINE,
        "ticklen": 4,
        "tickfont": {"size": 12, "color": MUTED},
        "zeroline": False,
        "automargin": True,
        **more,
    }


def layout(**more: Any) -> dict[str, Any]:
    """The layout every chart starts from; the legend lies above the plot, never over data."""
    return {
        "paper_bgcolor": SURFACE,
        "plot_bgcolor": SURFACE,
        "font": {"family": FONT, "size": 13, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": SURFACE,
            "bordercolor": LINE,
            "font": {"family": FONT, "size": 13, "color": INK},
            "align": "left",
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12.5, "color": INK},
            "itemsizing": "trace",
        },
        "margin": dict(MARGIN),
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)", "color": DOMINATED, "activecolor": FRONT},
        "dragmode": "zoom",
        **more,
    }


def selection() -> dict[str, Any]:
    """An empty trace that the page moves onto the trial a reader has chosen: the last one of its chart."""
    return {
        "type": "scatter",
        "name": "selection",
        "x": [None],
        "y": [None],
        "mode": "markers",
        "showlegend": False,
        "hoverinfo": "skip",
        "cliponaxis": False,
        "marker": {"symbol": "circle-open", "size": 24, "color": INK, "line": {"width": 2}},
    }
