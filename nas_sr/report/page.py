"""Puts a report into one HTML page that needs nothing else: text, charts, tables, styles, scripts and Plotly itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_sr.command_line import DEFAULT_REPORTS
from nas_sr.records import StudyRecord
from nas_sr.report.charts.page_charts import page_charts, pareto_id
from nas_sr.report.data.page_info import page_info
from nas_sr.report.rendering import asset, plotly, render


def page(studies: Sequence[StudyRecord], reports: Path = DEFAULT_REPORTS) -> str:
    """The page's whole text. It makes no request: its content policy forbids it.

    Args:
        studies: the study on each of its targets; what does not depend on the target appears once.
        reports: the folder of reports that the commands in it name.
    """
    info = page_info(studies, reports)
    return render(
        "page.html.jinja",
        page=info,
        charts=page_charts(info),
        pareto_id=pareto_id,
        style=asset("page.css"),
        script=asset("page.js"),
        plotly=plotly(),
    )
