"""Trials as data frames: the CSV files of a report. A column's name carries its unit.

One row a trial and target, target by target: rows of one trial share everything but `target`, `state`, `on_front`,
`knee`, `psnr_db`, `reason` and what begins with `latency_`, `reference_`, `target_` and `calibration_`.
`latency_low_ms` and `latency_high_ms` are p5 and p95 of a measured latency's samples and the ends of a predicted one's
interval; the columns that only one kind has are empty for the other. `latency_ms` of a measured one is
`latency_relative` times `target_reference_ms`; `latency_raw_ms` and `reference_latency_ms` are what the clock said.
`psnr_db` is on the study's validation pixels, as the target's runtime computes it where that shows (`pytorch_psnr_db`:
as PyTorch does in fp32), `full_psnr_db` on all validation images, where those are more: it is known of trials that were
on the front, and decides nothing. Of a study with racing or an audit `psnr_db` is an estimate for `estimated_steps`
steps from all `trainings`, and `psnr_sd_db` its standard deviation against the study's other candidates; of evaluator
`combined` it is a figure from `scratch_psnr_db` and `inherited_psnr_db`. What begins with `full_training_` is of the
latest full training of a bundle; two are comparable if their protocol is the same. Every objective that a search can
trade has a column of its name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from nas_sr.families.base import Spec
from nas_sr.families.registry import family
from nas_sr.measure.measurement import Measurement
from nas_sr.objectives import OBJECTIVES
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report.data.trial_info import families_of, knee_of, reason

TYPES = {
    "trial": "int64",
    "repeats_trial": "Int64",
    "on_front": "boolean",
    "knee": "boolean",
    "params": "int64",
    "convs": "int64",
    "psnr_db": "Float64",
    "pytorch_psnr_db": "Float64",
    "scratch_psnr_db": "Float64",
    "inherited_psnr_db": "Float64",
    "psnr_sd_db": "Float64",
    "estimated_steps": "Int64",
    "front_probability": "Float64",
    "trainings": "Int64",
    "full_psnr_db": "Float64",
    "full_bicubic_psnr_db": "Float64",
    "full_training_psnr_db": "Float64",
    "full_training_steps": "Int64",
    "latency_ms": "Float64",
    "latency_low_ms": "Float64",
    "latency_high_ms": "Float64",
    "latency_p5_ms": "Float64",
    "latency_p95_ms": "Float64",
    "latency_iqr_ms": "Float64",
    "latency_raw_ms": "Float64",
    "target_reference_ms": "Float64",
    "latency_runs": "Int64",
    "latency_relative": "Float64",
    "reference_latency_ms": "Float64",
    "latency_builds": "Int64",
    "latency_run_spread": "Float64",
    "latency_build_spread": "Float64",
    "latency_stable": "boolean",
    "latency_level": "Float64",
    "calibration_points": "Int64",
    "calibration_error": "Float64",
    "seconds": "Float64",
}


def trials_frame(studies: Sequence[StudyRecord]) -> pd.DataFrame:
    """Every trial on every target, in trial order; a value that a trial does not have is missing, never 0."""
    return _frame([row for study in studies for row in _rows(study, study.trials)], studies)


def pareto_frame(studies: Sequence[StudyRecord]) -> pd.DataFrame:
    """Every target's Pareto front, fastest first."""
    fronts = []
    for study in studies:
        fronts += _rows(study, [study.trial(number) for number in study.front])
    return _frame(fronts, studies)


def columns(studies: Sequence[StudyRecord]) -> list[str]:
    """Names of all columns; those that a spec's fields have are of the families that the studies hold."""
    fields = [field for name in families_of(studies) for field in family(name).table_fields]
    return [*BEFORE_FIELDS, *dict.fromkeys(fields), *AFTER_FIELDS]


def _frame(rows: list[dict[str, Any]], studies: Sequence[StudyRecord]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=columns(studies)).astype(TYPES)
    whole = [name for name in frame if name not in TYPES and frame[name].map(lambda value: type(value) is int).any()]
    return frame.astype(dict.fromkeys(whole, "Int64"))


BEFORE_FIELDS = ["trial", "target", "state", "on_front", "knee", "preset", "family", "architecture"]
AFTER_FIELDS = [
    *["params", "macs_g", "ntire_flops_g", "activations_m", "convs", "psnr_db"],
    *["pytorch_psnr_db", "scratch_psnr_db", "inherited_psnr_db", "full_psnr_db", "full_bicubic_psnr_db"],
    *["full_training_psnr_db", "full_training_steps", "full_training_protocol"],
    *["psnr_sd_db", "estimated_steps", "front_probability", "trainings"],
    *["latency_ms", "latency_kind", "latency_low_ms", "latency_high_ms", "latency_labels"],
    # measured
    *["latency_stable", "latency_p5_ms", "latency_p95_ms", "latency_iqr_ms", "latency_runs"],
    *["latency_raw_ms", "latency_relative", "reference_latency_ms", "target_reference_ms"],
    *["latency_backend", "latency_precision"],
    *["latency_builds", "latency_run_spread", "latency_build_spread"],
    # predicted
    *["latency_level", "calibration_source", "calibration_points", "calibration_error"],
    *["reason", "repeats_trial", "started", "seconds", "digest", "spec"],
]
# One for each objective that none of those is yet; empty where a trial does not have it.
_FURTHER = [each for each in OBJECTIVES.values() if each.name not in AFTER_FIELDS]
AFTER_FIELDS += [each.name for each in _FURTHER]
TYPES |= {each.name: "Float64" for each in _FURTHER}


def _rows(study: StudyRecord, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    knee = knee_of(study).number if study.front else None
    front = set(study.front)
    return [{"target": study.target, **_row(trial, trial.number in front, trial.number == knee)} for trial in trials]


def _row(trial: TrialRecord, on_front: bool, knee: bool) -> dict[str, Any]:
    spec, full = trial.spec, trial.full_validation
    trained = trial.full_training[-1] if trial.full_training else None
    return {
        "trial": trial.number,
        "state": trial.state,
        "on_front": on_front,
        "knee": knee,
        "preset": trial.preset,
        "family": spec.family,
        "architecture": spec.label(),
        **{field: _field(spec, field) for field in family(spec.family).table_fields},
        **trial.counts._asdict(),
        "psnr_db": trial.psnr_db,
        "pytorch_psnr_db": trial.pytorch_psnr_db,
        "scratch_psnr_db": trial.scratch_db,
        "inherited_psnr_db": trial.inherited_db,
        "psnr_sd_db": trial.estimate.sd_db if trial.estimate else None,
        "estimated_steps": trial.estimate.steps if trial.estimate else None,
        "front_probability": trial.estimate.front_probability if trial.estimate else None,
        "trainings": len(trial.scores) or None,
        "full_psnr_db": full.psnr_db if full else None,
        "full_bicubic_psnr_db": full.bicubic_psnr_db if full else None,
        "full_training_psnr_db": trained.psnr_db if trained else None,
        "full_training_steps": trained.steps if trained else None,
        "full_training_protocol": trained.protocol if trained else None,
        **_latency(trial),
        **{each.name: each.value(trial) for each in _FURTHER},
        "reason": reason(trial),
        "repeats_trial": trial.repeats,
        "started": trial.started,
        "seconds": trial.seconds,
        "digest": spec.digest,
        "spec": json.dumps(spec.to_json()),
    }


def _field(spec: Spec, field: str) -> Any:
    value = getattr(spec, field)
    return spec.text(field) if isinstance(value, tuple) else value


def _latency(trial: TrialRecord) -> dict[str, Any]:
    latency = trial.latency
    if latency is None:  # its file is lost, or there never was one
        return {"latency_ms": trial.latency_ms}
    both = {
        "latency_ms": latency.latency_ms,
        "latency_kind": latency.kind,
        "latency_low_ms": latency.low_ms,
        "latency_high_ms": latency.high_ms,
        "latency_labels": "; ".join(latency.labels),
    }
    if latency.kind == "measured":
        return both | _measured(latency)
    return both | {
        "latency_level": latency.level,
        "calibration_source": latency.calibration.source,
        "calibration_points": latency.calibration.points,
        "calibration_error": latency.calibration.cross_validated_error,
    }


def _measured(latency: Measurement) -> dict[str, Any]:
    return {
        "latency_stable": latency.stable,
        "latency_p5_ms": latency.low_ms,
        "latency_p95_ms": latency.high_ms,
        "latency_iqr_ms": latency.iqr_ms,
        "latency_runs": latency.runs,
        "latency_raw_ms": latency.raw_latency_ms,
        "target_reference_ms": latency.target_reference_ms,
        "latency_relative": latency.relative_latency if latency.reference_ms else None,
        "reference_latency_ms": latency.reference_latency_ms if latency.reference_ms else None,
        "latency_backend": latency.backend,
        "latency_precision": latency.precision,
        "latency_builds": len({repeat.build for repeat in latency.repeats}) or None,
        "latency_run_spread": latency.run_spread,
        "latency_build_spread": latency.build_spread,
    }
