"""Puts a report into one HTML page that needs nothing else: text, charts, tables, styles, scripts and Plotly itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from nas_sr.command_line import DEFAULT_REPORTS
from nas_sr.records import StudyRecord
from nas_sr.report.charts.chart_style import Chart
from nas_sr.report.charts.page_charts import page_charts, pareto_id
from nas_sr.report.data.page_info import PageInfo, page_info
from nas_sr.report.rendering import as_data, asset, plotly, render

SCRIPTS = ("unpack.js", "decision.js", "pins.js", "axes.js", "page.js")


def page(
    studies: Sequence[StudyRecord],
    reports: Path = DEFAULT_REPORTS,
    others: Sequence[StudyRecord] = (),
    live: bool = False,
) -> str:
    """The page's whole text. It makes no request: its content policy forbids it.

    Charts and what is long are packed; the page's script puts them into their places.

    Args:
        studies: the study on each of its targets; what does not depend on the target appears once.
        reports: the folder of reports that the commands in it name.
        others: other studies, each on one of its targets, whose fronts are laid over that study's.
        live: it is served by `nas_sr.report.live` and asks that, and nobody else, whether the study has gone on.
    """
    info = page_info(studies, reports, others)
    charts = page_charts(info)
    decisions = {each.name: each.decision.as_json() for each in info.targets if each.decision}
    texts, drawn = _shared_texts(charts)
    data = {"parts": _parts(info), "charts": drawn, "texts": texts, "decisions": decisions}
    return render(
        "page.html.jinja",
        page=info,
        charts=charts,
        pareto_id=pareto_id,
        style=asset("page.css"),
        scripts=[asset(name) for name in (*SCRIPTS, *(["live.js"] if live else []))],
        live=live,
        data=as_data(json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)),
        plotly=plotly(),
    )


def _parts(info: PageInfo) -> dict[str, Markup]:
    """What is too long to stand in the page as it is, by the name of its place."""
    parts = {}
    for target in info.targets:
        parts[f"table-{target.name}"] = render("trial_table.html.jinja", table=target.table)
        for card in target.cards:
            parts[f"choice-{card.trial.number}-{target.name}"] = render("choice_card.html.jinja", card=card)
            parts[f"diagram-{card.trial.number}"] = render("diagram.html.jinja", diagram=card.diagram)
    return parts


def _shared_texts(charts: dict[str, Chart]) -> tuple[list[str], dict[str, Chart]]:
    """The texts over points, each once, and charts that have their numbers: most charts show the same trials."""
    numbers: dict[str, int] = {}

    def numbered(trace: dict[str, Any]) -> dict[str, Any]:
        if "hovertext" not in trace:
            return trace
        return trace | {"hovertext": [numbers.setdefault(text, len(numbers)) for text in trace["hovertext"]]}

    drawn = {name: chart | {"data": [numbered(trace) for trace in chart["data"]]} for name, chart in charts.items()}
    return list(numbers), drawn
