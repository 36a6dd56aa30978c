"""What all charts share. A chart is a plain Plotly dict without colours of its own: `@name` stands for a CSS variable
of the page, so that one chart serves light and dark."""

from __future__ import annotations

from typing import Any

Chart = dict[str, Any]  # {"data": [...], "layout": {...}}

INK, MUTED, GRID, LINE, SURFACE = "@ink", "@muted", "@grid", "@line", "@surface"
FRONT, KNEE, DOMINATED, UNTRAINED, SECOND = "@front", "@knee", "@dominated", "@untrained", "@second"
PALE, BAND, FAINT, RIVAL = "@pale", "@band", "@faint", "@rival"
MARGIN = {"l": 64, "r": 52, "t": 16, "b": 52}  # pixels; the tools stand in the right one
COLOURS = (INK, MUTED, GRID, LINE, SURFACE, FRONT, KNEE, DOMINATED, UNTRAINED, SECOND, PALE, BAND, FAINT, RIVAL)


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
        "font": {"family": "@font", "size": 13, "color": INK},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": SURFACE,
            "bordercolor": LINE,
            "font": {"family": "@font", "size": 13, "color": INK},
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
