"""The chart a network is chosen from: PSNR against latency, with the spread of every latency."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape
from typing import Any

from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report import chart_style as style
from nas_sr.report.info import FrontInfo, Point, notes, spec_fields, without_prefix
from nas_sr.report.labels import along, place
from nas_sr.report.view import View, view
from nas_sr.report.words import parameters, significant

PLOT_PX = (1060.0, 400.0)  # size of the plot that names are placed for; other sizes come out nearly as well
UNTRAINED_SYMBOLS = {"infeasible": "line-ns-open", "pruned": "x-thin-open"}


def pareto_chart(study: StudyRecord, info: FrontInfo) -> style.Chart:
    """The chart of a front that is not empty.

    A marker is hollow where the latency was predicted and crossed out where it was not stable.
    """
    seen = view(info)
    presets = [point for point in info.points if point.preset]
    # One label where the knee is a preset: two at one point would not fit.
    named = [(point, without_prefix(point.preset or "")) for point in presets if point != info.knee]
    knee = [(info.knee, _knee_name(info.knee))] if info.knee else []
    sides = _sides([*knee, *named], info, seen)
    hover = {trial.number: hover_text(study, trial) for trial in study.trials}
    data = [
        *_dominated(info, hover),
        *_front(info, hover),
        *_unstable(info),
        *(
            [_presets(presets, dict(zip([p.trial for p, _ in named], sides[len(knee) :], strict=True)))]
            if presets
            else []
        ),
        *([_knee(info.knee, sides[0])] if info.knee else []),
        *_untrained(info, hover),
        _selection(),
    ]
    # Timed trials without a PSNR get a strip of their own below the plot, with the same latency axis.
    floor = 0.11 if info.without_psnr else 0.0
    layout = style.layout(
        xaxis=style.axis("latency [ms]", range=list(seen.latency_ms), anchor="y2" if floor else "y"),
        yaxis=style.axis("validation PSNR [dB]", range=list(seen.psnr_db), domain=[floor, 1], tickformat=".2f"),
        shapes=_reference_lines(info, seen),
        annotations=_reference_names(info, seen),
        clickmode="event",
    )
    layout["legend"]["y"] = 1.06
    if _bicubic_seen(info, seen):
        layout["margin"]["r"] = 92
    if floor:
        layout["yaxis2"] = style.axis(
            "", range=[0, 1], domain=[0, floor - 0.03], fixedrange=True, showgrid=False, ticks="", showline=False
        )
        layout["yaxis2"] |= {"tickvals": [0.5], "ticktext": ["no PSNR"]}
    return {"data": data, "layout": layout}


def hover_text(study: StudyRecord, trial: TrialRecord) -> str:
    """Everything about a trial that helps to choose it, as Plotly's small HTML."""
    place = "on the Pareto front" if trial.number in study.front else trial.state
    lines = [f"<b>Trial {trial.number}</b>, {place}" + (f", {escape(trial.preset)}" if trial.preset else "")]
    if trial.psnr_db is not None:
        lines.append(f"PSNR <b>{trial.psnr_db:.3f} dB</b>")
    if (latency := trial.latency) is not None:
        low, high = significant(latency.percentile(5), 4), significant(latency.percentile(95), 4)
        steady = "stable" if latency.stable else "not stable"
        lines.append(f"Latency <b>{significant(latency.latency_ms, 4)} ms</b> {escape(latency.kind)}, {steady}")
        relative = f", {latency.relative_latency:.2f} × reference network" if latency.reference_ms else ""
        lines.append(f"p5 to p95: {low} to {high} ms, {latency.runs} samples{relative}")
    lines.append(f"{parameters(trial.counts.params)} parameters, {significant(trial.counts.macs_g)} G MACs at 256×256")
    fields = [f"{label} {value}" for label, value in spec_fields(trial.spec)]
    lines += [" · ".join(fields[:4]), " · ".join(fields[4:])]
    if text := notes(trial):
        lines += [f"<i>{escape(line)}</i>" for line in _wrapped(text)]
    return "<br>".join(lines)


def _wrapped(text: str, width: int = 60, most: int = 4) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}"[: 2 * width].strip()
    return lines if len(lines) <= most else [*lines[:most], "…"]


def _trace(name: str, points: Sequence[Point], hover: dict[int, str], **more: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": f"{name} ({len(points)})",
        "x": [point.latency_ms for point in points],
        "y": [point.psnr_db for point in points],
        "customdata": [point.trial for point in points],
        "hovertext": [hover[point.trial] for point in points],
        "hoverinfo": "text",
        "mode": "markers",
        **more,
    }


def _spread(points: Sequence[Point], colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [point.p95_ms - point.latency_ms for point in points],
        "arrayminus": [point.latency_ms - point.p5_ms for point in points],
        "color": colour,
        "thickness": 1.2,
        "width": 3,
    }


def _front(info: FrontInfo, hover: dict[int, str]) -> list[dict[str, Any]]:
    line = {"shape": "hv", "color": style.FRONT, "width": 2}
    marker = {"size": 10, "color": style.FRONT, "opacity": 1}
    if len({point.kind for point in info.front}) == 1:
        whole = _of_kind("Pareto front", info.front, hover, marker, style.FRONT)
        return [whole | {"mode": "lines+markers", "line": line, "legendrank": 1}]
    path = _trace("Pareto front", info.front, hover) | {"mode": "lines", "line": line, "hoverinfo": "skip"}
    traces = [path, *_by_kind("Front", info.front, hover, marker, style.FRONT)]
    return [trace | {"legendrank": 1} for trace in traces]


def _dominated(info: FrontInfo, hover: dict[int, str]) -> list[dict[str, Any]]:
    marker = {"size": 8, "color": style.DOMINATED, "opacity": 1}
    if len({point.kind for point in info.dominated}) == 1:
        traces = [_of_kind("Dominated", info.dominated, hover, marker, style.PALE)]
    else:
        traces = _by_kind("Dominated", info.dominated, hover, marker, style.PALE)
    return [trace | {"legendrank": 4} for trace in traces]


def _by_kind(
    name: str, points: Sequence[Point], hover: dict[int, str], marker: dict[str, Any], spread: str
) -> list[dict[str, Any]]:
    """A trace for each kind of latency, named after it."""
    return [
        _of_kind(f"{name}, {kind}", [point for point in points if point.kind == kind], hover, marker, spread)
        for kind in sorted({point.kind for point in points})
    ]


def _of_kind(
    name: str, points: Sequence[Point], hover: dict[int, str], marker: dict[str, Any], spread: str
) -> dict[str, Any]:
    """Points that share their kind: filled where measured, hollow where predicted."""
    hollow = points[0].kind == "predicted"
    edge = {"width": 1.8, "color": marker["color"]} if hollow else {"width": 1.2, "color": style.SURFACE}
    return _trace(name, points, hover) | {
        "marker": marker | {"symbol": "circle-open" if hollow else "circle", "line": edge},
        "error_x": _spread(points, spread),
    }


def _unstable(info: FrontInfo) -> list[dict[str, Any]]:
    points = [point for point in info.points if not point.stable]
    if not points:
        return []
    crosses = _trace("Not stable", points, {point.trial: "" for point in points})
    marker = {"symbol": "x-thin-open", "size": 12, "color": style.INK, "line": {"width": 1.4}}
    return [crosses | {"marker": marker, "hoverinfo": "skip", "legendrank": 5}]


def _presets(points: Sequence[Point], sides: dict[int, str]) -> dict[str, Any]:
    """Squares around the paper's networks, named on the given sides; one without a side is named elsewhere."""
    names = [escape(without_prefix(point.preset or "")) if point.trial in sides else "" for point in points]
    return _trace("The paper's networks", points, {point.trial: "" for point in points}) | {
        "mode": "markers+text",
        "text": names,
        "textposition": [sides.get(point.trial, "top center") for point in points],
        "textfont": {"size": 12, "color": style.INK},
        "marker": {"symbol": "square-open", "size": 15, "color": style.INK, "line": {"width": 1.3}},
        "hoverinfo": "skip",
        "legendrank": 3,
        "cliponaxis": False,
    }


def _knee_name(point: Point) -> str:
    return f"knee, {without_prefix(point.preset)}" if point.preset else "knee"


def _knee(point: Point, side: str) -> dict[str, Any]:
    return _trace("Knee", [point], {point.trial: ""}) | {
        "name": "Knee",
        "mode": "markers+text",
        "text": [f"<b>{escape(_knee_name(point))}</b>"],
        "textposition": [side],
        "textfont": {"size": 13, "color": style.KNEE},
        "marker": {"symbol": "diamond-open", "size": 20, "color": style.KNEE, "line": {"width": 2.4}},
        "hoverinfo": "skip",
        "legendrank": 2,
        "cliponaxis": False,
    }


def _untrained(info: FrontInfo, hover: dict[int, str]) -> list[dict[str, Any]]:
    traces = []
    for state in dict.fromkeys(point.state for point in info.without_psnr):
        points = [point for point in info.without_psnr if point.state == state]
        trace = _trace(state.capitalize(), points, hover)
        trace |= {"y": [0.5] * len(points), "yaxis": "y2", "cliponaxis": False, "legendrank": 6}
        symbol = UNTRAINED_SYMBOLS.get(state, "circle-open")
        trace["marker"] = {"symbol": symbol, "size": 11, "color": style.UNTRAINED, "line": {"width": 1.8}}
        traces.append(trace)
    return traces


def _selection() -> dict[str, Any]:
    """An empty trace that the page moves onto the trial a reader has chosen."""
    return {
        "type": "scatter",
        "name": "selection",
        "x": [None],
        "y": [None],
        "mode": "markers",
        "showlegend": False,
        "hoverinfo": "skip",
        "cliponaxis": False,
        "marker": {"symbol": "circle-open", "size": 24, "color": style.INK, "line": {"width": 2}},
    }


def _sides(named: Sequence[tuple[Point, str]], info: FrontInfo, seen: View) -> list[str]:
    def pixels(latency_ms: float, psnr_db: float) -> tuple[float, float]:
        (left, right), (bottom, top) = seen.latency_ms, seen.psnr_db
        return (
            (latency_ms - left) / (right - left) * PLOT_PX[0],
            (psnr_db - bottom) / (top - bottom) * PLOT_PX[1],
        )

    lines = [((point.p5_ms, point.psnr_db), (point.p95_ms, point.psnr_db)) for point in info.points]
    for point, following in itertools.pairwise(info.front):
        corner = (following.latency_ms, point.psnr_db)
        lines += [((point.latency_ms, point.psnr_db), corner), (corner, (following.latency_ms, following.psnr_db))]
    if info.bicubic_psnr_db is not None:
        lines.append(((seen.latency_ms[0], info.bicubic_psnr_db), (seen.latency_ms[1], info.bicubic_psnr_db)))
    if info.max_latency_ms is not None:
        lines.append(((info.max_latency_ms, seen.psnr_db[0]), (info.max_latency_ms, seen.psnr_db[1])))
    obstacles = [pixels(point.latency_ms, point.psnr_db or 0.0) for point in info.points]
    for (x0, y0), (x1, y1) in lines:
        obstacles += along(pixels(x0, y0 or 0.0), pixels(x1, y1 or 0.0))
    anchors = [pixels(point.latency_ms, point.psnr_db or 0.0) for point, _ in named]
    return place(anchors, [name for _, name in named], obstacles, PLOT_PX)


def _bicubic_seen(info: FrontInfo, seen: View) -> bool:
    return info.bicubic_psnr_db is not None and seen.psnr_db[0] <= info.bicubic_psnr_db <= seen.psnr_db[1]


def _limit_seen(info: FrontInfo, seen: View) -> bool:
    return info.max_latency_ms is not None and seen.latency_ms[0] <= info.max_latency_ms <= seen.latency_ms[1]


def _reference_lines(info: FrontInfo, seen: View) -> list[dict[str, Any]]:
    line = {"color": style.MUTED, "width": 1.2, "dash": "dash"}
    lines: list[dict[str, Any]] = []
    if _bicubic_seen(info, seen):
        across = {
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "yref": "y",
            "y0": info.bicubic_psnr_db,
            "y1": info.bicubic_psnr_db,
        }
        lines.append({"type": "line", "layer": "below", "line": line, **across})
    if _limit_seen(info, seen):
        up = {"xref": "x", "x0": info.max_latency_ms, "x1": info.max_latency_ms, "yref": "paper", "y0": 0, "y1": 1}
        lines.append({"type": "line", "layer": "above", "line": line | {"dash": "dot"}, **up})
    return lines


def _reference_names(info: FrontInfo, seen: View) -> list[dict[str, Any]]:
    quiet = {"showarrow": False, "font": {"size": 12, "color": style.MUTED}}
    names: list[dict[str, Any]] = []
    if _bicubic_seen(info, seen):
        text = f"bicubic<br>{info.bicubic_psnr_db:.2f} dB"
        beside = {"xref": "paper", "x": 1.006, "xanchor": "left", "y": info.bicubic_psnr_db, "yanchor": "middle"}
        names.append({"text": text, "align": "left", **beside, **quiet})
    if _limit_seen(info, seen):
        above = {"x": info.max_latency_ms, "xanchor": "center", "yref": "paper", "y": 1, "yanchor": "bottom"}
        names.append({"text": f"limit {significant(info.max_latency_ms or 0.0)} ms", **above, **quiet})
    return names
