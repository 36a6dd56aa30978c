"""The charts of a page that have something to show."""

from __future__ import annotations

from nas_sr.objectives import LATENCY, Objective
from nas_sr.report.charts.account_charts import compute_chart, drift_chart, effects_chart, parallel_chart
from nas_sr.report.charts.chart_style import Chart
from nas_sr.report.charts.objective_chart import objective_chart
from nas_sr.report.charts.pareto_chart import pareto_chart
from nas_sr.report.charts.search_charts import curves_chart, hypervolume_chart, importance_chart
from nas_sr.report.charts.target_comparison_chart import comparison_chart
from nas_sr.report.data.page_info import PageInfo


def page_charts(page: PageInfo) -> dict[str, Chart]:
    """By the id of their place in the page; a place whose chart is missing is left out."""
    found: dict[str, Chart] = {}
    for target in page.targets:
        if target.front.front:
            for axis in target.front.axes:
                chart = pareto_chart(target.front) if axis is LATENCY else objective_chart(target.front, axis)
                found[pareto_id(target.name, axis)] = chart
        if target.hypervolume.trials:
            found[f"hypervolume-{target.name}"] = hypervolume_chart(target.hypervolume)
            if target.hypervolume.steps[-1]:
                found[f"compute-{target.name}"] = compute_chart(target.hypervolume)
        if target.drift.trials:
            found[f"drift-{target.name}"] = drift_chart(target.drift)
        if len(target.lines.trials) > 1 and len(target.lines.axes) > 2:
            found[f"parallel-{target.name}"] = parallel_chart(target.lines)
        if target.effects:
            found[f"effects-{target.name}"] = effects_chart(target.effects)
        if target.importances:
            found[f"importance-{target.name}"] = importance_chart(target.importances)
    for pair in page.comparison.pairs if page.comparison else ():
        if pair.networks:
            found[f"comparison-{pair.targets[1]}"] = comparison_chart(pair)
    if page.curves:
        found["curves"] = curves_chart(page.curves, page.knees, len(page.targets))
    return found


def pareto_id(target: str, axis: Objective) -> str:
    """The place of the main chart against an objective."""
    return f"pareto-{target}" if axis is LATENCY else f"pareto-{target}-{axis.name}"
