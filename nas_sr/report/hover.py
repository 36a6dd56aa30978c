"""The texts that appear over a chart's points, in Plotly's small HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from nas_sr.latency import Latency, as_taken
from nas_sr.records import Baseline, StudyRecord, TrialRecord
from nas_sr.report.info import further, notes
from nas_sr.report.latencies import engine, grounds, repeats, spread
from nas_sr.report.words import parameters, plural, significant


def trial_hover(study: StudyRecord, trial: TrialRecord) -> str:
    """Everything about a trial that helps to choose it."""
    place = "on the Pareto front" if trial.number in study.front else trial.state
    lines = [f"<b>Trial {trial.number}</b>, {place}" + (f", {escape(trial.preset)}" if trial.preset else "")]
    if trial.psnr_db is not None:
        lines.append(f"PSNR <b>{trial.psnr_db:.3f} dB</b>")
    if trial.full_validation is not None:
        lines.append(str(trial.full_validation))
    if trial.latency is not None:
        lines += latency_lines(trial.latency)
    values = ((each, each.value(trial)) for each in further(study))
    lines += [f"{each.heading} <b>{each.text(value)}</b>" for each, value in values if value is not None]
    lines.append(f"{parameters(trial.counts.params)} parameters, {significant(trial.counts.macs_g)} G MACs at 256×256")
    fields = [f"{label} {value}" for label, value in trial.spec.facts()]
    lines += [" · ".join(fields[:4]), " · ".join(fields[4:])]
    if text := notes(trial):
        lines += [f"<i>{escape(line)}</i>" for line in _wrapped(text)]
    return "<br>".join(lines)


def baseline_hover(baseline: Baseline) -> str:
    """A network from elsewhere."""
    lines = [f"<b>{escape(baseline.name)}</b>, for comparison", f"PSNR <b>{baseline.psnr_db:.3f} dB</b>"]
    lines += latency_lines(baseline.latency)
    lines += [f"<i>{escape(line)}</i>" for line in _wrapped("; ".join(baseline.latency.labels)) if line]
    return "<br>".join(lines)


def latency_lines(latency: Latency) -> Iterator[str]:
    """A latency with its kind, its spread and what it rests on."""
    milliseconds = f"Latency <b>{significant(latency.latency_ms, 4)} ms</b>"
    if latency.kind == "predicted":
        yield f"{milliseconds} <b>predicted</b>, {spread(latency, 4)}"
        yield from map(escape, _wrapped(f"calibration: {grounds(latency.calibration)}"))
        return
    yield f"{milliseconds} measured, {'stable' if latency.stable else 'not stable'}"
    relative = f", {latency.relative_latency:.2f} × reference network" if latency.reference_ms else ""
    yield f"{spread(latency, 4)}, {plural(latency.runs, 'sample')}{relative}"
    for text in (as_taken(latency), repeats(latency), engine(latency)):
        if text:
            yield from map(escape, _wrapped(text))


def _wrapped(text: str, width: int = 60, most: int = 4) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}"[: 2 * width].strip()
    return lines if len(lines) <= most else [*lines[:most], "…"]
