"""Puts a report into one HTML page that needs nothing else: text, charts, tables, styles, scripts and Plotly itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from nas_sr.command_line import DEFAULT_REPORTS
from nas_sr.objectives import LATENCY, PSNR, Objective
from nas_sr.records import StudyRecord
from nas_sr.report import info, pieces, sentences, words
from nas_sr.report.baselines import baselines_html
from nas_sr.report.chart_style import Chart
from nas_sr.report.charts import curves_chart, hypervolume_chart, importance_chart
from nas_sr.report.facts import config_facts, environment_facts, profile_facts
from nas_sr.report.front_info import front_info, unmeasured
from nas_sr.report.latency_facts import latency_facts
from nas_sr.report.objective_chart import objective_chart
from nas_sr.report.pareto_chart import pareto_chart
from nas_sr.report.target_comparison import fronts_html, pair_sentence, pairs
from nas_sr.report.target_comparison_chart import comparison_chart
from nas_sr.report.trial_table import state_options, table_html


def page(studies: Sequence[StudyRecord], reports: Path = DEFAULT_REPORTS) -> str:
    """The page's whole text. It makes no request: its content policy forbids it.

    Args:
        studies: the study on each of its targets; what does not depend on the target appears once.
        reports: the folder of reports that the commands in it name.
    """
    study = studies[0]
    return Template(_asset("page.html")).substitute(
        title=escape(f"{study.name}: nas-sr report"),
        study=escape(study.name),
        subtitle=escape(sentences.subtitle(studies)),
        targets=pieces.target_choice(studies),
        picks=pieces.of_each(studies, _picks),
        pareto=pieces.of_each(studies, lambda study: _pareto(study, reports)),
        comparison=_comparison(studies) if len(studies) > 1 else "",
        search=pieces.of_each(studies, _search),
        curves_text=pieces.note(sentences.curves_sentence(studies)),
        curves=pieces.slot("curves", "curves", "Validation PSNR over training steps") if info.curves(studies) else "",
        tables_heading=pieces.of_each(studies, lambda study: pieces.heading("All trials", study)),
        states=state_options(studies),
        tables=pieces.of_each(studies, table_html),
        csv=pieces.note(sentences.csv_sentence(studies)),
        target_facts=pieces.of_each(studies, _target_facts),
        settings_heading=pieces.of_each(studies, lambda study: pieces.heading("Where the figures come from", study)),
        settings="".join(map(pieces.facts_table, (*environment_facts(study), *config_facts(study)))),
        style=_asset("page.css"),
        charts=_json_in_html(charts(studies)),
        plotly=_plotly(),
        script=_asset("page.js"),
    )


def charts(studies: Sequence[StudyRecord]) -> dict[str, Chart]:
    """The charts that have something to show, by the id of their place in the page."""
    found: dict[str, Chart] = {}
    for study in studies:
        front = front_info(study)
        if front.front:
            for axis in chart_axes(study):
                chart = pareto_chart(study, front) if axis is LATENCY else objective_chart(study, front, axis)
                found[_pareto_id(study, axis)] = chart
        if study.hypervolume_history:
            found[f"hypervolume-{study.target}"] = hypervolume_chart(study)
        if parameters := info.importances(study):
            found[f"importance-{study.target}"] = importance_chart(parameters)
    for pair in pairs(studies):
        if pair.networks:
            found[f"comparison-{pair.targets[1]}"] = comparison_chart(pair)
    if curves := info.curves(studies):
        found["curves"] = curves_chart(curves, info.knees(studies), len(studies))
    return found


def chart_axes(study: StudyRecord) -> tuple[Objective, ...]:
    """What the main chart can show PSNR against: the study's objectives first, the first of them to begin with."""
    return tuple(each for each in dict.fromkeys((*study.traded, LATENCY, *info.further(study))) if each is not PSNR)


def _pareto_id(study: StudyRecord, axis: Objective) -> str:
    return f"pareto-{study.target}" if axis is LATENCY else f"pareto-{study.target}-{axis.name}"


def headline_rows(head: info.Headline) -> list[tuple[str, str]]:
    """The facts beside the picks, as (what, value)."""
    states = ", ".join(f"{count} {state}" for state, count in head.states) or "none yet"
    repeats = f"; {words.plural(head.repeats, 'repeat')} of an earlier network" if head.repeats else ""
    steps = "not recorded" if head.training_steps is None else f"{head.training_steps} steps a trial"
    further = [f"{each.title} {each.text(limit)}" for each, limit in head.limits]
    limit = "none" if head.max_latency_ms is None else words.milliseconds(head.max_latency_ms)
    hardware = head.hardware if head.processor is None else f"{head.hardware} ({head.processor})"
    return [
        ("Hardware", hardware),
        ("Trials", states + repeats),
        ("Data", head.data),
        ("Training budget", steps),
        ("Latency limit", limit),
        *([("Other limits", ", ".join(further))] if further else []),
        ("Time spent", words.duration(head.total_seconds)),
    ]


def _picks(study: StudyRecord) -> str:
    head = info.headline(study)
    shown = info.further(study)
    cards = "".join(pieces.pick_card(pick, shown) for pick in head.picks) or pieces.empty(
        sentences.nothing_to_pick(head)
    )
    return f'<div class="picks">{cards}</div><dl class="headline">{pieces.definitions(headline_rows(head))}</dl>'


def _pareto(study: StudyRecord, reports: Path) -> str:
    front = front_info(study)
    axes = chart_axes(study)

    def slot(axis: Objective) -> str:
        return pieces.slot(_pareto_id(study, axis), "pareto", f"PSNR against {axis.title} of every trial")

    chart = pieces.axis_choice(axes) + pieces.of_axes(axes, slot) if front.front else ""
    return "".join(
        [
            pieces.heading("Quality against latency" if len(axes) == 1 else "Quality against each objective", study),
            pieces.unmeasured_note(unmeasured(study, reports), study.target),
            pieces.note(*sentences.pareto_sentences(study, front)),
            pieces.caution(sentences.caution_sentence(study)),
            chart,
            baselines_html(study),
        ]
    )


def _comparison(studies: Sequence[StudyRecord]) -> str:
    found = pairs(studies)
    slots = "".join(
        pieces.slot(f"comparison-{other}", "comparison", f"Latency on {other} against latency on {one}")
        for (one, other), networks, *_ in found
        if networks
    )
    return f"""
<section class="panel">
  <h2>The same networks on each target</h2>
  {"".join(pieces.note(pair_sentence(pair)) for pair in found)}
  <div class="comparisons">{slots}{fronts_html(studies)}</div>
</section>"""


def _target_facts(study: StudyRecord) -> str:
    return "".join(map(pieces.facts_table, (*latency_facts(study), *profile_facts(study))))


def _search(study: StudyRecord) -> str:
    told = (
        pieces.slot(f"hypervolume-{study.target}", "", "Hypervolume over trials") if study.hypervolume_history else ""
    )
    importance = pieces.slot(f"importance-{study.target}", "", "Importance of each parameter")
    return f"""
<div class="pair">
  <section class="panel">
    {pieces.heading("Progress of the search", study)}
    {pieces.note(sentences.hypervolume_sentence(study))}
    {told}
  </section>
  <section class="panel">
    {pieces.heading("Which parameters matter", study)}
    {pieces.note(sentences.importance_sentence(study))}
    {importance if info.importances(study) else ""}
  </section>
</div>"""


def _json_in_html(value: object) -> str:
    """JSON that cannot end its script element, whatever the texts in it are."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return resources.files("nas_sr.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script")
