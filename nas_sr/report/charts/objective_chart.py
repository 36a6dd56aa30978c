"""The main chart against any other objective: PSNR over it, the same trials, marks and selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nas_sr.objectives import Objective
from nas_sr.report.charts import chart_style as style
from nas_sr.report.charts import markers
from nas_sr.report.charts.hover import trial_hover
from nas_sr.report.data.front_info import FrontInfo, Point
from nas_sr.report.data.view import view


def objective_chart(info: FrontInfo, objective: Objective) -> style.Chart:
    """The chart of a front that is not empty. Trials without a value are left out; no line joins the front, of which
    this is one side."""

    def trace(name: str, points: Iterable[Point], **more: Any) -> dict[str, Any]:
        values = [(point, objective.value(info.trials[point.trial].record)) for point in points]
        found = [(point, value) for point, value in values if value is not None]
        return {
            "type": "scatter",
            "name": f"{name} ({len(found)})",
            "x": [value for _, value in found],
            "y": [point.psnr_db for point, _ in found],
            "customdata": [point.trial for point, _ in found],
            "hovertext": [trial_hover(info.trials[point.trial]) for point, _ in found],
            "hoverinfo": "text",
            "mode": "markers",
            **more,
        }

    def by_kind(name: str, points: Sequence[Point], look: markers.Look, rank: int) -> Iterator[dict[str, Any]]:
        """As in the main chart: what has a predicted latency is hollow whatever lies across."""
        for kind in sorted({point.kind for point in points}):
            found = [p for p in points if p.kind == kind and objective.value(info.trials[p.trial].record) is not None]
            known = markers.certainty(found)
            marks = known | {"marker": markers.marker(look, kind) | known.get("marker", {})}
            yield trace(f"{name}, {kind}" if info.anything_predicted else name, found, legendrank=rank, **marks)

    data = [
        *by_kind("Dominated", info.dominated, markers.DOMINATED, 3),
        *by_kind("Pareto front", info.front, markers.FRONT, 1),
    ]
    data = markers.by_family(data, info.families)
    if info.knee:
        ring = {"symbol": "diamond-open", "size": 20, "color": style.KNEE, "line": {"width": 2.4}}
        data.append(trace("Knee", [info.knee], marker=ring, legendrank=2) | {"name": "Knee", "hoverinfo": "skip"})
    where = f" on {info.target}" if objective.per_target and info.names_target else ""
    unit = f" [{objective.unit}]" if objective.unit else ""
    layout = style.layout(
        xaxis=style.axis(f"{objective.title}{where}{unit}"),
        yaxis=style.axis("validation PSNR [dB]", range=list(view(info).psnr_db), tickformat=".2f"),
        shapes=_limit(info.limits.get(objective.name)),
        clickmode="event",
    )
    return style.chart([*(each for each in data if each["x"]), style.selection()], layout)


def _limit(limit: float | None) -> list[dict[str, Any]]:
    if limit is None:
        return []
    line = {"color": style.MUTED, "width": 1.2, "dash": "dot"}
    up = {"xref": "x", "x0": limit, "x1": limit, "yref": "paper", "y0": 0, "y1": 1}
    return [{"type": "line", "layer": "above", "line": line, **up}]
