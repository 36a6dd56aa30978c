"""The pieces of HTML that the page is made of; every text from a study is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from nas_sr.latency import Latency, as_taken
from nas_sr.objectives import Objective, named
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report import info, words
from nas_sr.report.facts import Facts
from nas_sr.report.front_info import Unmeasured
from nas_sr.report.latencies import grounds, measurements, predictions, repeats, spread

MOST_LABELS = 2  # on a card
ROLES = {"knee": "Best compromise (knee)", "fastest": "Fastest", "best": "Highest PSNR"}


def of_each(studies: Sequence[StudyRecord], part: Callable[[StudyRecord], str]) -> str:
    """A part of the page once for each target; the page's script shows that of the chosen one."""
    return "".join(
        f'<div data-target="{escape(study.target)}"{"" if study is studies[0] else " hidden"}>{part(study)}</div>'
        for study in studies
    )


def target_choice(studies: Sequence[StudyRecord]) -> str:
    """The control that chooses a target; nothing where there is only one."""
    if len(studies) == 1:
        return ""
    options = "".join(_option(study, chosen=study is studies[0]) for study in studies)
    return f'<fieldset class="targets"><legend>Latencies on</legend><div>{options}</div></fieldset>'


def _option(study: StudyRecord, chosen: bool) -> str:
    value = f'value="{escape(study.target)}"{" checked" if chosen else ""}'
    about = f"<small>{escape(study.target)} · {_kinds(study)}</small>"
    title = f"<span><b>{escape(study.target_title)}</b>{about}</span>"
    return f'<label><input type="radio" name="target" {value}>{title}</label>'


def _kinds(study: StudyRecord) -> str:
    counts = {"measured": len(measurements(study)), "predicted": len(predictions(study))}
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no latency yet"


def heading(text: str, study: StudyRecord) -> str:
    """A section's title, with the target where there are several."""
    where = f' <span class="where">on {escape(study.target)}</span>' if len(study.targets) > 1 else ""
    return f"<h2>{escape(text)}{where}</h2>"


def pick_card(pick: info.Pick, shown: Sequence[Objective] = ()) -> str:
    """A network worth shipping, with its values of the objectives `shown` besides what every card has."""
    trial, latency = pick.trial, pick.trial.latency
    assert latency is not None  # it is on the front
    preset = f" · {escape(trial.preset)}" if trial.preset else ""
    milliseconds = words.milliseconds(latency.latency_ms)
    badge = '<span class="predicted">predicted</span>' if latency.kind == "predicted" else ""
    others = [each for each in shown if each.name not in ("params", "macs_g")]
    further = [f"{each.title} {each.text(each.value(trial))}" for each in others]
    main = " main" if "knee" in pick.roles else ""
    return f"""
<article class="pick{main}" data-trial="{trial.number}">
  <h3>{escape(" · ".join(map(_role, pick.roles)))}</h3>
  <p class="figures"><span>{words.decibels(trial.psnr_db)}</span><span>{milliseconds}{badge}</span></p>
  <p class="spread">{_latency(latency)}{_full_validation(trial)}</p>
  <p>Trial {trial.number}{preset}<br><code>{escape(trial.spec.label())}</code><br>
  {words.parameters(trial.counts.params)} parameters · {words.significant(trial.counts.macs_g)} G MACs\
{"".join(f" · {escape(text)}" for text in further)}</p>
  {command(pick.command)}
</article>"""


def _role(role: str) -> str:
    if role in ROLES:
        return ROLES[role]
    objective = named(role)
    return f"{'Most' if objective.maximise else 'Least'} {objective.title}"


def _full_validation(trial: TrialRecord) -> str:
    return f"<br>{escape(str(trial.full_validation))}" if trial.full_validation else ""


def _latency(latency: Latency) -> str:
    """Kind, spread, and what speaks against the figure or must be known of it."""
    if latency.kind == "predicted":
        far = f'<br><span class="caution">{escape(latency.outside)}</span>' if latency.outside else ""
        return f"predicted, {spread(latency)}<br>calibration: {escape(grounds(latency.calibration))}{far}"
    steady = "stable" if latency.stable else '<b class="warning">not stable</b>'
    lines = [f"measured, {spread(latency)}, {steady}"]
    lines += [escape(text) for text in (as_taken(latency), repeats(latency)) if text]
    if latency.labels:
        more = len(latency.labels) - MOST_LABELS
        shown = [*latency.labels[:MOST_LABELS], *([f"and {more} more, in the table of trials"] if more > 0 else [])]
        lines.append(f'<span class="caution">{escape("; ".join(shown))}</span>')
    return "<br>".join(lines)


def unmeasured_note(found: Unmeasured | None, target: str) -> str:
    """Which trials of the front were not measured, and how to do so; nothing where all were."""
    if found is None:
        return ""
    trials = words.listed(found.trials)
    one = len(found.trials) == 1
    subject = f"Trial {trials} of this front is" if one else f"Trials {trials} of this front are"
    why = "".join(f"<li>{escape(label)}</li>" for label in found.labels)
    return f"""
<div class="unmeasured" role="note">
  <p><b>{subject} predicted, not measured.</b> Once {escape(target)} answers, this command measures \
{"it" if one else "them"} and renews the report:</p>
  {command(found.command)}
  {f'<ul class="why">{why}</ul>' if why else ""}
</div>"""


def command(text: str) -> str:
    """A command with a button that copies it."""
    # A line may only break between words: `- -knee` would mislead who types it.
    code = " ".join(f"<span>{escape(word)}</span>" for word in text.split(" "))
    return f'<div class="command"><code>{code}</code><button type="button" class="copy">Copy</button></div>'


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """The terms and values inside a <dl>."""
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)


def facts_table(facts: Facts) -> str:
    """A titled table of facts."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in facts.rows
    )
    return f'<section class="facts"><h3>{escape(facts.title)}</h3><table>{rows}</table></section>'


def note(*sentences: str) -> str:
    """A quiet paragraph; nothing without a sentence."""
    text = " ".join(filter(None, sentences))
    return f'<p class="note">{escape(text)}</p>' if text else ""


def caution(sentence: str) -> str:
    """A paragraph that must be seen; nothing without a sentence."""
    return f'<p class="note caution">{escape(sentence)}</p>' if sentence else ""


def axis_choice(axes: Sequence[Objective]) -> str:
    """The control that chooses what the main chart shows PSNR against; nothing where there is only one."""
    if len(axes) == 1:
        return ""
    options = "".join(f'<option value="{each.name}">{escape(each.axis)}</option>' for each in axes)
    return f'<div class="filters"><label>PSNR against <select class="axis">{options}</select></label></div>'


def of_axes(axes: Sequence[Objective], part: Callable[[Objective], str]) -> str:
    """A part of the page once for each choice of the axis; the page's script shows that of the chosen one."""
    return "".join(
        f'<div data-axis="{each.name}"{"" if each is axes[0] else " hidden"}>{part(each)}</div>' for each in axes
    )


def empty(sentence: str) -> str:
    """What stands where there is nothing to show yet."""
    return f'<p class="empty">{escape(sentence)}</p>'


def slot(name: str, kind: str, description: str) -> str:
    """The place of a chart; `name` is its key among the page's charts."""
    label = escape(f"{description}. The table of trials below has the same numbers.")
    return f'<div class="chart {kind}" id="{escape(name)}" role="img" aria-label="{label}"></div>'
