"""Trials as data frames: the CSV files of a report. A column's name carries its unit."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report.info import knee_of

TYPES = {
    "trial": "int64",
    "repeats_trial": "Int64",
    "on_front": "boolean",
    "knee": "boolean",
    "core": "int64",
    "groups": "int64",
    "gidbs": "int64",
    "depth": "int64",
    "head": "int64",
    "params": "int64",
    "convs": "int64",
    "psnr_db": "Float64",
    "latency_ms": "Float64",
    "latency_p5_ms": "Float64",
    "latency_p95_ms": "Float64",
    "latency_iqr_ms": "Float64",
    "latency_runs": "Int64",
    "latency_relative": "Float64",
    "reference_latency_ms": "Float64",
    "latency_stable": "boolean",
    "seconds": "Float64",
}


def trials_frame(study: StudyRecord) -> pd.DataFrame:
    """One row a trial, in trial order; a value that a trial does not have is missing, never 0."""
    knee = knee_of(study).number if study.front else None
    rows = [_row(trial, trial.number in study.front, trial.number == knee) for trial in study.trials]
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)


def pareto_frame(study: StudyRecord) -> pd.DataFrame:
    """The rows of the Pareto front, fastest first."""
    return trials_frame(study).set_index("trial", drop=False).loc[list(study.front)].reset_index(drop=True)


COLUMNS = [
    *["trial", "state", "on_front", "knee", "preset", "architecture"],
    *["core", "groups", "gidbs", "depth", "split", "nla_after", "head"],
    *["params", "macs_g", "ntire_flops_g", "activations_m", "convs", "psnr_db"],
    *["latency_ms", "latency_p5_ms", "latency_p95_ms", "latency_iqr_ms", "latency_runs"],
    *["latency_relative", "reference_latency_ms"],
    *["latency_kind", "latency_stable", "latency_labels", "latency_backend", "latency_target"],
    *["reason", "repeats_trial", "started", "seconds", "digest", "spec"],
]


def _row(trial: TrialRecord, on_front: bool, knee: bool) -> dict[str, Any]:
    spec = trial.spec
    return {
        "trial": trial.number,
        "state": trial.state,
        "on_front": on_front,
        "knee": knee,
        "preset": trial.preset,
        "architecture": spec.label(),
        "core": spec.core,
        "groups": spec.groups,
        "gidbs": spec.gidbs,
        "depth": spec.depth,
        "split": spec.split,
        "nla_after": "+".join(map(str, spec.nla_after)),
        "head": spec.head,
        **trial.counts._asdict(),
        "psnr_db": trial.psnr_db,
        **_latency(trial),
        "reason": trial.reason,
        "repeats_trial": trial.repeats,
        "started": trial.started,
        "seconds": trial.seconds,
        "digest": spec.digest,
        "spec": json.dumps(spec.to_json()),
    }


def _latency(trial: TrialRecord) -> dict[str, Any]:
    latency = trial.latency
    if latency is None:  # its file is lost, or there never was one
        return {"latency_ms": trial.latency_ms}
    return {
        "latency_ms": latency.latency_ms,
        "latency_p5_ms": latency.percentile(5),
        "latency_p95_ms": latency.percentile(95),
        "latency_iqr_ms": latency.iqr_ms,
        "latency_runs": latency.runs,
        "latency_relative": latency.relative_latency if latency.reference_ms else None,
        "reference_latency_ms": latency.reference_latency_ms if latency.reference_ms else None,
        "latency_kind": latency.kind,
        "latency_stable": latency.stable,
        "latency_labels": "; ".join(latency.labels),
        "latency_backend": latency.backend,
        "latency_target": latency.target,
    }
