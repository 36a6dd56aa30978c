"""The table of all trials as HTML; the page's script sorts and filters it by the data attributes set here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from nas_sr.families.base import Spec
from nas_sr.families.registry import family
from nas_sr.objectives import Objective
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report.info import STATES, export_command, families_of, further, knee_of, notes, without_prefix
from nas_sr.report.latencies import measured, repeats
from nas_sr.report.words import NOTHING, parameters, significant


class Column(NamedTuple):
    """A column's heading and unit; numbers are set right and sorted by value."""

    name: str
    unit: str = ""
    is_number: bool = True
    hint: str = ""


class Cell(NamedTuple):
    """A cell's text, and the number it is sorted by where it is one."""

    text: str
    number: float | None = None


BEFORE_FIELDS = (
    Column("Trial"),
    Column("State", is_number=False),
    Column("Front", is_number=False, hint="whether it is on the Pareto front"),
    Column("PSNR", "dB", hint="on the study's validation pixels, after its brief training: what the front is made of"),
    Column("Full PSNR", "dB", hint="of the front: on all validation images, where the search looked at a part of them"),
    Column("Latency", "ms", hint="median of the samples, or the predicted figure"),
    Column("Kind", is_number=False, hint="measured on the target, or predicted"),
    Column("Low", "ms", hint="measured: 5 % of the samples are faster; predicted: the interval begins here"),
    Column("High", "ms", hint="measured: 5 % of the samples are slower; predicted: the interval ends here"),
    Column("Stable", is_number=False, hint="whether the measurement met its protocol's limits"),
    Column("Params"),
    Column("MACs", "G", hint="at a 256×256 LR input"),
    Column("Preset", is_number=False, hint="the name that this network is known by"),
    Column("Family", is_number=False),
    Column("Architecture", is_number=False, hint="the network's fields in short"),
)
AFTER_FIELDS = (Column("Reason and notes", is_number=False),)


def columns(study: StudyRecord) -> list[Column]:
    """All columns; those of a spec's fields are of the families that the study holds."""
    further_ = (each for each in further(study) if each.name not in _SHOWN_ALREADY)
    own = [Column(each.heading, each.unit) for each in further_]
    after = next(place for place, column in enumerate(BEFORE_FIELDS) if column.name == "MACs") + 1
    fields = [_field_column(study, field) for field in _fields(study)]
    return [*BEFORE_FIELDS[:after], *own, *BEFORE_FIELDS[after:], *fields, *AFTER_FIELDS]


_SHOWN_ALREADY = ("params", "macs_g")


def table_html(study: StudyRecord) -> str:
    """The whole table element of one target, in trial order."""
    knee = knee_of(study).number if study.front else None
    head = "".join(_heading(column) for column in columns(study))
    places = {number: "knee" if number == knee else "front" for number in study.front}
    body = "\n".join(_row(study, trial, places.get(trial.number, "")) for trial in study.trials)
    return f'<table class="trials"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'


def state_options(studies: Sequence[StudyRecord]) -> str:
    """The choices of the table's state filter, with how many there are where that is the same on every target."""
    counts = [Counter(trial.state for trial in study.trials) for study in studies]
    options = []
    for state in STATES:
        found = {count[state] for count in counts}
        if any(found):
            number = f" ({found.pop()})" if len(found) == 1 else ""
            options.append(f'<option value="{state}">{state}{number}</option>')
    return "".join(options)


def cells(study: StudyRecord, trial: TrialRecord, place: str) -> list[Cell]:
    """A trial's cells, in the order of the columns; `place` is "knee", "front" or nothing."""
    own = [_value(each, trial) for each in further(study) if each.name not in _SHOWN_ALREADY]
    spec, latency, timed = trial.spec, trial.latency, measured(trial.latency)
    return [
        Cell(str(trial.number), trial.number),
        Cell(trial.state),
        Cell(place or NOTHING),
        _decibels(trial.psnr_db),
        _decibels(trial.full_validation.psnr_db if trial.full_validation else None),
        _milliseconds(latency.latency_ms if latency else trial.latency_ms),
        Cell(latency.kind if latency else NOTHING),
        _milliseconds(latency.low_ms if latency else None),
        _milliseconds(latency.high_ms if latency else None),
        Cell(("yes" if timed.stable else "no") if timed else NOTHING),
        Cell(parameters(trial.counts.params), trial.counts.params),
        Cell(significant(trial.counts.macs_g), trial.counts.macs_g),
        *own,
        Cell(without_prefix(trial.preset) if trial.preset else NOTHING),
        Cell(spec.family),
        Cell(spec.label()),
        *(_field_cell(spec, field) for field in _fields(study)),
        Cell("; ".join(filter(None, [repeats(timed) if timed else None, notes(trial)]))),
    ]


def _fields(study: StudyRecord) -> list[str]:
    return list(dict.fromkeys(field for name in families_of([study]) for field in family(name).table_fields))


def _field_column(study: StudyRecord, field: str) -> Column:
    """A field's title and description; where families share its name, the first one's."""
    owner = next(family(name) for name in families_of([study]) if field in family(name).table_fields)
    info = owner.spec_type.model_fields[field]
    values = (getattr(trial.spec, field, None) for trial in study.trials)
    is_number = all(value is None or isinstance(value, (int, float)) for value in values)
    return Column(info.title or field.capitalize(), is_number=is_number, hint=info.description or "")


def _field_cell(spec: Spec, field: str) -> Cell:
    if field not in family(spec.family).table_fields:
        return Cell(NOTHING)
    value = getattr(spec, field)
    return Cell(spec.text(field) or NOTHING, value if isinstance(value, (int, float)) else None)


def _value(objective: Objective, trial: TrialRecord) -> Cell:
    value = objective.value(trial)
    return Cell(NOTHING if value is None else significant(value, 4), value)


def _decibels(value: float | None) -> Cell:
    return Cell(NOTHING if value is None else f"{value:.3f}", value)


def _milliseconds(value: float | None) -> Cell:
    return Cell(NOTHING if value is None else significant(value, 4), value)


def _heading(column: Column) -> str:
    unit = f' <span class="unit">{escape(column.unit)}</span>' if column.unit else ""
    kind = ' class="number"' if column.is_number else ""
    hint = f' title="{escape(column.hint)}"' if column.hint else ""
    return f'<th scope="col"{kind}{hint}><button type="button">{escape(column.name)}{unit}</button></th>'


def _row(study: StudyRecord, trial: TrialRecord, place: str) -> str:
    attributes = {"data-trial": str(trial.number), "data-state": trial.state}
    if place:
        attributes["data-front"] = place
    if trial.state == "complete":
        attributes["data-command"] = export_command(study, trial.number)
    opening = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    shown = "".join(
        _cell(column, cell) for column, cell in zip(columns(study), cells(study, trial, place), strict=True)
    )
    return f"<tr {opening}>{shown}</tr>"


def _cell(column: Column, cell: Cell) -> str:
    text = escape(cell.text)
    if column.name == "Trial":
        return f'<th scope="row" data-sort="{cell.number}"><button type="button">{text}</button></th>'
    if column.name == "Reason and notes":
        return f'<td class="notes"><span title="{text}">{text}</span></td>'
    if column.is_number:
        value = "" if cell.number is None else repr(cell.number)
        return f'<td class="number" data-sort="{value}">{text}</td>'
    if column.name == "Stable" and cell.text == "no":
        return f'<td><span class="warning">{text}</span></td>'
    if column.name == "Kind" and cell.text == "predicted":
        return f'<td><span class="predicted">{text}</span></td>'
    return f"<td>{text}</td>"
