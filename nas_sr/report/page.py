"""Puts a report into one HTML page that needs nothing else: text, charts, table, styles, scripts and Plotly itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

from nas_sr.records import StudyRecord
from nas_sr.report import info, words
from nas_sr.report.chart_style import Chart
from nas_sr.report.charts import curves_chart, hypervolume_chart, importance_chart
from nas_sr.report.facts import Facts, config_facts, environment_facts, measurement_facts
from nas_sr.report.pareto_chart import pareto_chart
from nas_sr.report.trial_table import state_options, table_html
from nas_sr.report.view import view

ROLES = {"knee": "Best compromise (knee)", "fastest": "Fastest", "best": "Highest PSNR"}


def page(study: StudyRecord) -> str:
    """The page's whole text. It makes no request: its content policy forbids it."""
    head, front = info.headline(study), info.front_info(study)
    return Template(_asset("page.html")).substitute(
        title=escape(f"{head.study}: nas-sr report"),
        study=escape(head.study),
        subtitle=escape(subtitle(head)),
        facts=_definitions(headline_rows(head)),
        picks="".join(_pick(pick) for pick in head.picks) or _empty(nothing_to_pick(head)),
        pareto_text=_paragraphs(pareto_sentences(front, head)),
        pareto=_slot("pareto", "PSNR against latency of every trial") if front.front else "",
        hypervolume_text=_paragraphs([hypervolume_sentence(study)]),
        hypervolume=_slot("hypervolume", "Hypervolume over trials") if study.hypervolume_history else "",
        importance_text=_paragraphs([importance_sentence(study)]),
        importance=_slot("importance", "Importance of each parameter") if info.importances(study) else "",
        curves_text=_paragraphs([curves_sentence(study)]),
        curves=_slot("curves", "Validation PSNR over training steps") if info.curves(study) else "",
        states=state_options(head.states),
        table=table_html(study),
        settings="".join(
            _facts(one) for one in (*measurement_facts(study), *environment_facts(study), *config_facts(study))
        ),
        style=_asset("page.css"),
        charts=_json_in_html(charts(study)),
        plotly=_plotly(),
        script=_asset("page.js"),
    )


def charts(study: StudyRecord) -> dict[str, Chart]:
    """The charts that have something to show, by the id of their place in the page."""
    found: dict[str, Chart] = {}
    front = info.front_info(study)
    if front.front:
        found["pareto"] = pareto_chart(study, front)
    if study.hypervolume_history:
        found["hypervolume"] = hypervolume_chart(study)
    if parameters := info.importances(study):
        found["importance"] = importance_chart(parameters)
    if curves := info.curves(study):
        found["curves"] = curves_chart(curves, front.knee.trial if front.knee else None)
    return found


def subtitle(head: info.Headline) -> str:
    """One sentence: how far the study came, and on what."""
    complete = dict(head.states).get("complete", 0)
    total = sum(count for _, count in head.states)
    progress = f"{complete} of {words.plural(total, 'trial')} complete" if total else "No trial yet"
    return f"Super-resolution networks for {head.hardware}. {progress}."


def headline_rows(head: info.Headline) -> list[tuple[str, str]]:
    """The facts beside the picks, as (what, value)."""
    states = ", ".join(f"{count} {state}" for state, count in head.states) or "none yet"
    repeats = f"; {words.plural(head.repeats, 'repeat')} of an earlier network" if head.repeats else ""
    steps = "not recorded" if head.training_steps is None else f"{head.training_steps} steps a trial"
    limit = "none" if head.max_latency_ms is None else words.milliseconds(head.max_latency_ms)
    hardware = head.hardware if head.processor is None else f"{head.hardware} ({head.processor})"
    return [
        ("Hardware", hardware),
        ("Trials", states + repeats),
        ("Data", head.data),
        ("Training budget", steps),
        ("Latency limit", limit),
        ("Time spent", words.duration(head.total_seconds)),
    ]


def nothing_to_pick(head: info.Headline) -> str:
    """Why there is no network to choose yet."""
    states = ", ".join(f"{count} {state}" for state, count in head.states)
    return f"No trial is complete yet{f' ({states})' if states else ''}: there is no network to export."


def pareto_sentences(front: info.FrontInfo, head: info.Headline) -> list[str]:
    """What the chart shows and what its reader must know: kinds of latency, stability, what is out of sight."""
    if not front.front:
        timed = words.plural(len(front.without_psnr), "trial")
        return ["No trial has both a PSNR and a latency yet." + (f" {timed} only timed." if front.without_psnr else "")]
    kinds = [f"{front.count('measured')} measured", f"{front.count('predicted')} predicted"]
    marks = [" (hollow markers)"] if front.count("predicted") else [""]
    stability = f"{front.unstable} not stable (crossed markers)" if front.unstable else "all stable"
    sentences = [f"Latencies: {kinds[0]}, {kinds[1]}{marks[0]}; {stability}. Bars span p5 to p95 of the samples."]
    if front.reference_ms and front.reference_ms[0] < front.reference_ms[1]:
        low, high = (words.milliseconds(end) for end in front.reference_ms)
        sentences.append(f"The reference network, timed beside every candidate, took {low} to {high}.")
    steps = f" after {head.training_steps} training steps" if head.training_steps else " after brief training"
    sentences.append(f"PSNR is that of the validation images{steps}: it ranks networks, full training raises it.")
    seen = view(front)
    bicubic = front.bicubic_psnr_db
    if bicubic is not None and bicubic < seen.psnr_db[0]:
        sentences.append(f"Bicubic interpolation reaches {words.decibels(bicubic)}, below the visible part.")
    if seen.outside:
        sentences.append(
            f"{words.plural(seen.outside, 'trial')} outside of the visible part: double-click the chart to see all."
        )
    return sentences


def hypervolume_sentence(study: StudyRecord) -> str:
    """The reference point, without which a hypervolume means nothing."""
    psnr_db, latency_ms = study.hypervolume_reference
    if not study.hypervolume_history:
        return "No complete trial yet."
    return (
        f"Area that the front dominates, measured from {words.decibels(psnr_db)} and {words.milliseconds(latency_ms)}: "
        f"now {words.significant(study.hypervolume, 4)} dB·ms. A flat end says that more trials bring little."
    )


def importance_sentence(study: StudyRecord) -> str:
    """What the bars are, or why there are none."""
    if not info.importances(study):
        return "Too few trials to say which parameters matter."
    return "How much of each objective's variation over the trials a parameter explains."


def curves_sentence(study: StudyRecord) -> str:
    """What the curves are, or why there are none."""
    if not info.curves(study):
        return "No trial has been trained yet."
    return "Validation PSNR during each trial's training. Hover to see which trial a curve is, click to select it."


def _pick(pick: info.Pick) -> str:
    trial, latency = pick.trial, pick.trial.latency
    assert latency is not None  # it is on the front
    low, high = words.significant(latency.percentile(5)), words.significant(latency.percentile(95))
    steady = "stable" if latency.stable else '<span class="warning">not stable</span>'
    preset = f" · {escape(trial.preset)}" if trial.preset else ""
    milliseconds = words.milliseconds(latency.latency_ms)
    main = " main" if "knee" in pick.roles else ""
    return f"""
<article class="pick{main}" data-trial="{trial.number}">
  <h3>{escape(" · ".join(ROLES[role] for role in pick.roles))}</h3>
  <p class="figures"><span>{words.decibels(trial.psnr_db)}</span><span>{milliseconds}</span></p>
  <p class="spread">{escape(latency.kind)}, p5 to p95 {low} to {high} ms, {steady}</p>
  <p>Trial {trial.number}{preset}<br><code>{escape(trial.spec.label())}</code><br>
  {words.parameters(trial.counts.params)} parameters · {words.significant(trial.counts.macs_g)} G MACs</p>
  {_command(pick.command)}
</article>"""


def _command(command: str) -> str:
    # A line may only break between words: `- -knee` would mislead who types it.
    code = " ".join(f"<span>{escape(word)}</span>" for word in command.split(" "))
    return f'<div class="command"><code>{code}</code><button type="button" class="copy">Copy</button></div>'


def _definitions(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def _facts(facts: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in facts.rows
    )
    return f'<section class="facts"><h3>{escape(facts.title)}</h3><table>{rows}</table></section>'


def _paragraphs(sentences: Iterable[str]) -> str:
    return f'<p class="note">{escape(" ".join(sentences))}</p>'


def _empty(sentence: str) -> str:
    return f'<p class="empty">{escape(sentence)}</p>'


def _slot(name: str, description: str) -> str:
    label = escape(f"{description}. The table of trials below has the same numbers.")
    return f'<div class="chart" id="{name}" role="img" aria-label="{label}"></div>'


def _json_in_html(value: object) -> str:
    """JSON that cannot end its script element, whatever the texts in it are."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _asset(name: str) -> str:
    return resources.files("nas_sr.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script")
