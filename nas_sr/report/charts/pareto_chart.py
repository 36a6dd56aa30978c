"""The chart a network is chosen from: PSNR against latency, with the spread of every latency."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from nas_sr.latency_wording import is_unstable
from nas_sr.report.charts import chart_style as style
from nas_sr.report.charts import markers
from nas_sr.report.charts.hover import baseline_hover, trial_hover
from nas_sr.report.charts.labels import along, place
from nas_sr.report.charts.reference_lines import bicubic_seen, reference_lines, reference_names
from nas_sr.report.data.front_info import FrontInfo, Point
from nas_sr.report.data.trial_info import without_prefix
from nas_sr.report.data.view import View, view

PLOT_PX = (1060.0, 400.0)  # size of the plot that names are placed for; other sizes come out nearly as well
OTHER_LOOKS = (  # of fronts laid over this one: told apart by dash and symbol as well
    (style.SECOND, "dash", "triangle-right"),
    (style.RIVAL, "dot", "triangle-down"),
    (style.UNTRAINED, "dashdot", "triangle-left"),
)
UNTRAINED_SYMBOLS = {"infeasible": "line-ns-open", "pruned": "x-thin-open"}


def pareto_chart(info: FrontInfo) -> style.Chart:
    """The chart of a front that is not empty; markers of latencies that were not stable are crossed out."""
    seen = view(info)
    presets = [point for point in info.points if point.preset]
    # One label where the knee is a preset: two at one point would not fit.
    named = [(point, without_prefix(point.preset or "")) for point in presets if point != info.knee]
    knee = [(info.knee, _knee_name(info.knee))] if info.knee else []
    anchors = [(point.latency_ms, point.psnr_db or 0.0, name) for point, name in [*knee, *named]]
    anchors += [(each.latency.latency_ms, each.psnr_db, each.name) for each in info.baselines]
    sides = _sides(anchors, info, seen)
    preset_sides = dict(zip([point.trial for point, _ in named], sides[len(knee) :], strict=False))
    data = [
        *markers.by_family([*_dominated(info), *_front(info)], info.families),
        *_baselines(info, sides[len(knee) + len(named) :]),
        *_other_fronts(info),
        *_unstable(info),
        *([_presets(presets, preset_sides)] if presets else []),
        *([_knee(info.knee, sides[0])] if info.knee else []),
        *_untrained(info),
        style.selection(),
    ]
    # Timed trials without a PSNR get a strip of their own below the plot, with the same latency axis.
    floor = 0.11 if info.without_psnr else 0.0
    title = f"latency on {info.target} [ms]" if info.names_target else "latency [ms]"
    layout = style.layout(
        xaxis=style.axis(title, range=list(seen.latency_ms), anchor="y2" if floor else "y"),
        yaxis=style.axis("validation PSNR [dB]", range=list(seen.psnr_db), domain=[floor, 1], tickformat=".2f"),
        shapes=reference_lines(info, seen),
        annotations=reference_names(info, seen),
        clickmode="event",
    )
    layout["legend"]["y"] = 1.06
    if bicubic_seen(info, seen):
        layout["margin"]["r"] = 92
    if floor:
        layout["yaxis2"] = style.axis(
            "", range=[0, 1], domain=[0, floor - 0.03], fixedrange=True, showgrid=False, ticks="", showline=False
        )
        layout["yaxis2"] |= {"tickvals": [0.5], "ticktext": ["no PSNR"]}
    return style.chart(data, layout)


def _trace(name: str, points: Sequence[Point], **more: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": f"{name} ({len(points)})",
        "x": [point.latency_ms for point in points],
        "y": [point.psnr_db for point in points],
        "customdata": [point.trial for point in points],
        "mode": "markers",
        "hoverinfo": "skip",
        **more,
    }


def _hover(points: Sequence[Point], info: FrontInfo) -> dict[str, Any]:
    return {"hovertext": [trial_hover(info.trials[point.trial]) for point in points], "hoverinfo": "text"}


def _front(info: FrontInfo) -> list[dict[str, Any]]:
    line = {"shape": "hv", "color": style.FRONT, "width": 2}
    kinds = {point.kind for point in info.front}
    if not info.is_staircase:
        return [trace | {"legendrank": 1} for trace in _by_kind("Pareto front", info.front, info, markers.FRONT)]
    if len(kinds) == 1:
        # A front that nobody measured is no firm line.
        firm = line | {"dash": "dot"} if "predicted" in kinds else line
        (whole,) = _by_kind("Pareto front", info.front, info, markers.FRONT)
        return [whole | {"mode": "lines+markers", "line": firm, "legendrank": 1}]
    path = _trace("Pareto front", info.front, mode="lines", line=line, marker={})
    traces = [path, *_by_kind("Front", info.front, info, markers.FRONT)]
    return [trace | {"legendrank": 1} for trace in traces]


def _dominated(info: FrontInfo) -> list[dict[str, Any]]:
    traces = _by_kind("Dominated", info.dominated, info, markers.DOMINATED)
    return [trace | {"legendrank": 4} for trace in traces]


def _by_kind(name: str, points: Sequence[Point], info: FrontInfo, look: markers.Look) -> list[dict[str, Any]]:
    """A trace for each kind of latency, named after it wherever the chart has a predicted one."""
    traces = []
    for kind in sorted({point.kind for point in points}):
        found = [point for point in points if point.kind == kind]
        full_name = f"{name}, {kind}" if info.anything_predicted else name
        known = markers.certainty(found)
        marks = known | {"marker": markers.marker(look, kind) | known.get("marker", {})}
        marks["error_x"] = markers.bars(look, kind, found)
        traces.append(_trace(full_name, found, **_hover(found, info), **marks))
    return traces


def _other_fronts(info: FrontInfo) -> list[dict[str, Any]]:
    """Of other targets, at first only in the legend, and of other studies; a click selects nothing, as they are no
    trials of this table."""
    traces = []
    for front, (colour, dash, symbol) in zip(info.others, itertools.cycle(OTHER_LOOKS)):
        trace = _trace(front.name, front.points, hoverinfo="text")
        del trace["customdata"]
        trace |= {
            "hovertext": [trial_hover(front.trials[point.trial]) for point in front.points],
            "mode": "lines+markers" if front.is_staircase else "markers",
            "line": {"shape": "hv", "color": colour, "width": 1.6, "dash": dash},
            "marker": {"symbol": symbol, "size": 9, "color": colour},
            "legendrank": 8,
        }
        traces.append(trace if front.of_other_study else trace | {"visible": "legendonly"})
    return traces


def _baselines(info: FrontInfo, sides: Sequence[str]) -> list[dict[str, Any]]:
    """Networks from elsewhere, named; never part of the front."""
    traces = []
    for kind in sorted({each.latency.kind for each in info.baselines}):
        found = [(each, side) for each, side in zip(info.baselines, sides, strict=True) if each.latency.kind == kind]
        name = f"For comparison, {kind}" if info.anything_predicted else "For comparison"
        traces.append(
            {
                "type": "scatter",
                "name": f"{name} ({len(found)})",
                "x": [each.latency.latency_ms for each, _ in found],
                "y": [each.psnr_db for each, _ in found],
                "hovertext": [baseline_hover(each) for each, _ in found],
                "hoverinfo": "text",
                "mode": "markers+text",
                "text": [each.name for each, _ in found],
                "textposition": [side for _, side in found],
                "textfont": {"size": 12, "color": style.RIVAL},
                "legendrank": 5,
                "marker": markers.marker(markers.RIVAL, kind),
                "error_x": markers.bars(markers.RIVAL, kind, [each.latency for each, _ in found]),
            }
        )
    return traces


def _unstable(info: FrontInfo) -> list[dict[str, Any]]:
    points = [point for point in info.points if point.unstable]
    places = [(point.latency_ms, point.psnr_db) for point in points]
    places += [(each.latency.latency_ms, each.psnr_db) for each in info.baselines if is_unstable(each.latency)]
    if not places:
        return []
    return [
        {
            "type": "scatter",
            "name": f"Not stable ({len(places)})",
            "x": [latency_ms for latency_ms, _ in places],
            "y": [psnr_db for _, psnr_db in places],
            "customdata": [point.trial for point in points],
            "hoverinfo": "skip",
            "mode": "markers",
            "marker": {"symbol": "x-thin-open", "size": 12, "color": style.INK, "line": {"width": 1.4}},
            "legendrank": 6,
        }
    ]


def _presets(points: Sequence[Point], sides: dict[int, str]) -> dict[str, Any]:
    """Squares around known networks, named on the given sides; one without a side is named elsewhere."""
    names = [without_prefix(point.preset or "") if point.trial in sides else "" for point in points]
    return _trace("Known networks", points) | {
        "mode": "markers+text",
        "text": names,
        "textposition": [sides.get(point.trial, "top center") for point in points],
        "textfont": {"size": 12, "color": style.INK},
        "marker": {"symbol": "square-open", "size": 15, "color": style.INK, "line": {"width": 1.3}},
        "legendrank": 3,
        "cliponaxis": False,
    }


def _knee_name(point: Point) -> str:
    return f"knee, {without_prefix(point.preset)}" if point.preset else "knee"


def _knee(point: Point, side: str) -> dict[str, Any]:
    return _trace("Knee", [point]) | {
        "name": "Knee",
        "mode": "markers+text",
        "text": [Markup("<b>{}</b>").format(_knee_name(point))],
        "textposition": [side],
        "textfont": {"size": 13, "color": style.KNEE},
        "marker": {"symbol": "diamond-open", "size": 20, "color": style.KNEE, "line": {"width": 2.4}},
        "legendrank": 2,
        "cliponaxis": False,
    }


def _untrained(info: FrontInfo) -> list[dict[str, Any]]:
    traces = []
    for state, kind in dict.fromkeys((point.state, point.kind) for point in info.without_psnr):
        points = [point for point in info.without_psnr if (point.state, point.kind) == (state, kind)]
        name = f"{state.capitalize()}, {kind}" if info.anything_predicted else state.capitalize()
        trace = _trace(name, points, **_hover(points, info))
        trace |= {"y": [0.5] * len(points), "yaxis": "y2", "cliponaxis": False, "legendrank": 7}
        if kind == "predicted":
            trace["marker"] = markers.marker(markers.UNTRAINED, kind)
            trace["error_x"] = markers.bars(markers.UNTRAINED, kind, points)
        else:
            symbol = UNTRAINED_SYMBOLS.get(state, "circle-open")
            trace["marker"] = {"symbol": symbol, "size": 11, "color": style.UNTRAINED, "line": {"width": 1.8}}
        traces.append(trace)
    return traces


def _sides(anchors: Sequence[tuple[float, float, str]], info: FrontInfo, seen: View) -> list[str]:
    """Where the names of points (latency [ms], PSNR [dB], name) stand."""

    def pixels(latency_ms: float, psnr_db: float) -> tuple[float, float]:
        (left, right), (bottom, top) = seen.latency_ms, seen.psnr_db
        return (
            (latency_ms - left) / (right - left) * PLOT_PX[0],
            (psnr_db - bottom) / (top - bottom) * PLOT_PX[1],
        )

    spreads = [(point.low_ms, point.high_ms, point.psnr_db or 0.0) for point in info.points]
    baselines = [each for each in info.baselines if each.name not in seen.baselines_outside]
    spreads += [(each.latency.low_ms, each.latency.high_ms, each.psnr_db) for each in baselines]
    lines = [((low_ms, psnr_db), (high_ms, psnr_db)) for low_ms, high_ms, psnr_db in spreads]
    for point, following in itertools.pairwise(info.front if info.is_staircase else ()):
        before_db, after_db = point.psnr_db or 0.0, following.psnr_db or 0.0
        corner = (following.latency_ms, before_db)
        lines += [((point.latency_ms, before_db), corner), (corner, (following.latency_ms, after_db))]
    if info.bicubic_psnr_db is not None:
        lines.append(((seen.latency_ms[0], info.bicubic_psnr_db), (seen.latency_ms[1], info.bicubic_psnr_db)))
    if info.max_latency_ms is not None:
        lines.append(((info.max_latency_ms, seen.psnr_db[0]), (info.max_latency_ms, seen.psnr_db[1])))
    obstacles = [pixels(point.latency_ms, point.psnr_db or 0.0) for point in info.points]
    obstacles += [pixels(each.latency.latency_ms, each.psnr_db) for each in baselines]
    for start, end in lines:
        obstacles += along(pixels(*start), pixels(*end))
    return place([pixels(x, y) for x, y, _ in anchors], [name for _, _, name in anchors], obstacles, PLOT_PX)
