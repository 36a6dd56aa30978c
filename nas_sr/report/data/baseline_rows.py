"""Networks from elsewhere beside the front: what the front offers for their latency, and for their PSNR."""

from __future__ import annotations

from typing import NamedTuple

from nas_sr.latency_wording import LatencyText, figure, worded
from nas_sr.quantities import decibels, significant
from nas_sr.records import Baseline, StudyRecord, TrialRecord


class BaselineRow(NamedTuple):
    """A baseline and the trials of the front to hold it against."""

    baseline: Baseline
    as_fast: TrialRecord | None  # the best that takes no longer
    as_good: TrialRecord | None  # the fastest whose PSNR is no lower

    @property
    def latency(self) -> LatencyText:
        """Its latency in words."""
        return worded(self.baseline.latency)

    @property
    def front_at_latency(self) -> str:
        """What the front has for its latency."""
        trial = self.as_fast
        if trial is None or trial.latency is None:
            return "nothing as fast"
        gain_db = _psnr_db(trial) - self.baseline.psnr_db
        return f"{decibels(trial.psnr_db)} ({gain_db:+.2f} dB), trial {trial.number} with {figure(trial.latency)}"

    @property
    def front_at_psnr(self) -> str:
        """What the front has for its PSNR."""
        trial = self.as_good
        if trial is None or trial.latency is None:
            return "nothing as good"
        share = trial.latency.latency_ms / self.baseline.latency.latency_ms
        return f"{figure(trial.latency)} ({significant(share, 2)} × its latency), trial {trial.number}"


def baseline_rows(study: StudyRecord) -> tuple[BaselineRow, ...]:
    """Every baseline of a target."""
    front = [study.trial(number) for number in study.front]
    found = []
    for baseline in study.baselines:
        as_fast = [trial for trial in front if _latency_ms(trial) <= baseline.latency.latency_ms]
        as_good = [trial for trial in front if _psnr_db(trial) >= baseline.psnr_db]
        best, fastest = max(as_fast, key=_psnr_db, default=None), min(as_good, key=_latency_ms, default=None)
        found.append(BaselineRow(baseline, best, fastest))
    return tuple(found)


def _psnr_db(trial: TrialRecord) -> float:
    assert trial.psnr_db is not None  # it is on the front
    return trial.psnr_db


def _latency_ms(trial: TrialRecord) -> float:
    assert trial.latency_ms is not None
    return trial.latency_ms
