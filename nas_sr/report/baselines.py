"""Networks from elsewhere beside the front: what the front offers for their latency, and for their PSNR."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from nas_sr.records import Baseline, StudyRecord, TrialRecord
from nas_sr.report.latencies import figure, is_unstable, spread
from nas_sr.report.words import decibels, significant

HEADINGS = ("Network", "PSNR", "Latency", "Kind", "Spread", "The front at this latency", "The front at this PSNR")


class Compared(NamedTuple):
    """A baseline and the trials of the front to hold it against."""

    baseline: Baseline
    as_fast: TrialRecord | None  # the best that takes no longer
    as_good: TrialRecord | None  # the fastest whose PSNR is no lower


def compared(study: StudyRecord) -> tuple[Compared, ...]:
    """Every baseline of a target."""
    front = [study.trial(number) for number in study.front]
    found = []
    for baseline in study.baselines:
        as_fast = [trial for trial in front if _latency_ms(trial) <= baseline.latency.latency_ms]
        as_good = [trial for trial in front if _psnr_db(trial) >= baseline.psnr_db]
        best, fastest = max(as_fast, key=_psnr_db, default=None), min(as_good, key=_latency_ms, default=None)
        found.append(Compared(baseline, best, fastest))
    return tuple(found)


def baselines_html(study: StudyRecord) -> str:
    """A small table; nothing where the study has no baselines."""
    found = compared(study)
    if not found:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in HEADINGS)
    body = "".join(_row(each) for each in found)
    return f"""
<h3 class="apart">For comparison</h3>
<p class="note">Networks from elsewhere, with the weights in their files, on the same validation images and target. \
The front's candidates are only briefly trained.</p>
<div class="wide"><table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"""


def _row(compared: Compared) -> str:
    baseline = compared.baseline
    latency = baseline.latency
    kind = f'<span class="predicted">{latency.kind}</span>' if latency.kind == "predicted" else latency.kind
    if is_unstable(latency):
        kind += f', <span class="warning" title="{escape("; ".join(latency.labels))}">not stable</span>'
    psnr = decibels(baseline.psnr_db)
    if baseline.note:
        psnr += f' <span class="warning" title="{escape(baseline.note)}">({escape(baseline.convention)})</span>'
    cells = [
        psnr,
        f"{significant(latency.latency_ms)} ms",
        kind,
        spread(latency),
        escape(_as_fast(compared)),
        escape(_as_good(compared)),
    ]
    name = f'<th scope="row"><span class="rival" aria-hidden="true">◆</span> {escape(baseline.name)}</th>'
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _psnr_db(trial: TrialRecord) -> float:
    assert trial.psnr_db is not None  # it is on the front
    return trial.psnr_db


def _latency_ms(trial: TrialRecord) -> float:
    assert trial.latency_ms is not None
    return trial.latency_ms


def _as_fast(compared: Compared) -> str:
    trial = compared.as_fast
    if trial is None or trial.latency is None:
        return "nothing as fast"
    gain_db = _psnr_db(trial) - compared.baseline.psnr_db
    return f"{decibels(trial.psnr_db)} ({gain_db:+.2f} dB), trial {trial.number} with {figure(trial.latency)}"


def _as_good(compared: Compared) -> str:
    trial = compared.as_good
    if trial is None or trial.latency is None:
        return "nothing as good"
    share = trial.latency.latency_ms / compared.baseline.latency.latency_ms
    return f"{figure(trial.latency)} ({significant(share, 2)} × its latency), trial {trial.number}"
