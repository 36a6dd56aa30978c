"""The table of all trials: its columns, and a cell for each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from nas_sr.families.base import Family, Spec
from nas_sr.families.registry import family
from nas_sr.latency import Latency
from nas_sr.quantities import NOTHING, hundredths, parameters, significant
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report.data.headline import STATES
from nas_sr.report.data.trial_info import TrialInfo, families_of, further, without_prefix

_SHOWN_ALREADY = ("params", "macs_g")


class Column(NamedTuple):
    """A column's heading and unit; numbers are set right and sorted by value."""

    name: str
    unit: str = ""
    kind: Literal["number", "text", "trial", "stability", "latency kind", "notes"] = "number"
    hint: str = ""


class Cell(NamedTuple):
    """A cell's text, and the number it is sorted by where it is one."""

    text: str
    number: float | None = None


class Row(NamedTuple):
    """A trial with a cell for each column."""

    trial: TrialInfo
    cells: tuple[Cell, ...]


class TrialTable(NamedTuple):
    """All trials of a study on one target, in order."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


BEFORE_FIELDS = (
    Column("Trial", kind="trial"),
    Column("State", kind="text"),
    Column("Front", kind="text", hint="whether it is on the Pareto front"),
    Column("PSNR", "dB", hint="on the study's validation pixels, after its brief training: what the front is made of"),
    Column("Full PSNR", "dB", hint="of the front: on all validation images, where the search looked at a part of them"),
    Column("Latency", "ms", hint="median of the samples, or the predicted figure"),
    Column("Kind", kind="latency kind", hint="measured on the target, or predicted"),
    Column("Low", "ms", hint="measured: 5 % of the samples are faster; predicted: the interval begins here"),
    Column("High", "ms", hint="measured: 5 % of the samples are slower; predicted: the interval ends here"),
    Column("Stable", kind="stability", hint="whether the measurement met its protocol's limits"),
    Column("Params"),
    Column("MACs", "G", hint="at a 256×256 LR input"),
    Column("Preset", kind="text", hint="the name that this network is known by"),
    Column("Family", kind="text"),
    Column("Architecture", kind="text", hint="the network's fields in short"),
)
AFTER_FIELDS = (Column("Reason and notes", kind="notes"),)


def trial_table(study: StudyRecord, trials: Mapping[int, TrialInfo]) -> TrialTable:
    """The whole table of one target; `trials` are the study's."""
    families = [family(name) for name in families_of([study])]
    owners = {field: each for each in reversed(families) for field in each.table_fields}
    fields = list(dict.fromkeys(field for each in families for field in each.table_fields))
    shown = [each for each in further(study) if each.name not in _SHOWN_ALREADY]
    after = next(place for place, column in enumerate(BEFORE_FIELDS) if column.name == "MACs") + 1
    columns = (
        *BEFORE_FIELDS[:after],
        *(Column(each.heading, each.unit) for each in shown),
        *BEFORE_FIELDS[after:],
        *(_field_column(field, owners[field], study.trials) for field in fields),
        *AFTER_FIELDS,
    )
    return TrialTable(columns, tuple(Row(trial, _cells(trial, fields)) for trial in trials.values()))


def states(studies: Sequence[StudyRecord]) -> list[tuple[str, int | None]]:
    """The states that occur, with how many trials have each where that is the same on every target."""
    counts = [Counter(trial.state for trial in study.trials) for study in studies]
    found = [(state, {count[state] for count in counts}) for state in STATES]
    return [(state, min(numbers) if len(numbers) == 1 else None) for state, numbers in found if any(numbers)]


def _cells(trial: TrialInfo, fields: Sequence[str]) -> tuple[Cell, ...]:
    record, text = trial.record, trial.latency
    spec, full = record.spec, record.full_validation
    return (
        Cell(str(record.number), record.number),
        Cell(record.state),
        Cell(trial.place or NOTHING),
        _decibels(record.psnr_db),
        _decibels(full.psnr_db if full else None),
        *_latency(record.latency, record.latency_ms),
        Cell(parameters(record.counts.params), record.counts.params),
        Cell(significant(record.counts.macs_g), record.counts.macs_g),
        *(_value(value) for each, value in trial.further if each.name not in _SHOWN_ALREADY),
        Cell(without_prefix(record.preset) if record.preset else NOTHING),
        Cell(spec.family),
        Cell(spec.label()),
        *(_field_cell(spec, field) for field in fields),
        Cell("; ".join(filter(None, [text.repeats if text else "", trial.notes]))),
    )


def _field_column(field: str, owner: Family, trials: Sequence[TrialRecord]) -> Column:
    """A field's title and description; where families share its name, the first one's."""
    info = owner.spec_type.model_fields[field]
    values = (getattr(trial.spec, field, None) for trial in trials)
    is_number = all(value is None or isinstance(value, (int, float)) for value in values)
    return Column(info.title or field.capitalize(), "", "number" if is_number else "text", info.description or "")


def _field_cell(spec: Spec, field: str) -> Cell:
    if field not in family(spec.family).table_fields:
        return Cell(NOTHING)
    value = getattr(spec, field)
    return Cell(spec.text(field) or NOTHING, value if isinstance(value, (int, float)) else None)


def _latency(latency: Latency | None, latency_ms: float | None) -> tuple[Cell, ...]:
    """Figure, kind, low and high end, stability."""
    if latency is None:  # its file is lost, or there never was one
        return _milliseconds(latency_ms), Cell(NOTHING), Cell(NOTHING), Cell(NOTHING), Cell(NOTHING)
    stable = Cell(NOTHING if latency.kind == "predicted" else "yes" if latency.stable else "no")
    return (
        _milliseconds(latency.latency_ms),
        Cell(latency.kind),
        _milliseconds(latency.low_ms),
        _milliseconds(latency.high_ms),
        stable,
    )


def _value(value: float | None) -> Cell:
    return Cell(NOTHING if value is None else significant(value, 4), value)


def _decibels(value: float | None) -> Cell:
    return Cell(NOTHING if value is None else f"{value:.3f}", value)


def _milliseconds(value: float | None) -> Cell:
    return Cell(NOTHING if value is None else hundredths(value), value)
