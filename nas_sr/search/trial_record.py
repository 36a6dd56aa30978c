"""One trial as the study's report sees it: what the journal was told of it, and what lies in its folder now."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.families.presets import preset_name
from nas_sr.latency import Impossible, Latency, caveat, is_over, over_limit, read_latency, told
from nas_sr.records import CurvePoint, FullValidation, State, TrialRecord
from nas_sr.search.outcome import Outcome

FULL_VALIDATION = "full_validation.json"


@dataclass(frozen=True)
class Place:
    """A target among those of a study."""

    target: str
    index: int
    epoch: str  # of the latencies on it that count
    searched: bool  # by the search itself; else it was added later
    limit_ms: float | None


def trial_record(trial: FrozenTrial, spec: Spec, folder: Path, place: Place) -> TrialRecord:
    """A trial with its latency on one target.

    Args:
        trial: as the journal has it.
        spec: its network.
        folder: of the trial that evaluated this network.
        place: the target.
    """
    kept = read_latency(latency_file(folder, place.index, place.target))
    latency = None if isinstance(kept, Impossible) else kept
    outcome = told_outcome(trial)
    told_ms = outcome.latencies_ms[place.index : place.index + 1] if outcome else ()
    state, reason = _state_now(trial, kept, place, told_ms)
    return TrialRecord(
        number=trial.number,
        state=state,
        params=dict(trial.params),
        spec=spec,
        counts=counts(spec),
        preset=preset_name(spec),
        psnr_db=trial.values[0] if trial.state == TrialState.COMPLETE else None,
        full_validation=read_full_validation(folder),
        latency_ms=latency.latency_ms if latency else next(iter(told_ms), None),
        latency=latency,
        curve=_read_curve(folder),
        reason=reason,
        started=trial.datetime_start.astimezone(UTC).isoformat() if trial.datetime_start else None,
        seconds=trial.duration.total_seconds() if trial.duration else None,
        repeats=trial.user_attrs.get("repeats"),
    )


def _state_now(
    trial: FrozenTrial, kept: Latency | Impossible | None, place: Place, told_ms: tuple[float, ...]
) -> tuple[State, str]:
    """State and reason. The journal has those of the latency that was known then; it may have been taken since."""
    state, reason = _state(trial), str(trial.user_attrs.get("reason", ""))
    if isinstance(kept, Impossible):
        return "failed", f"latency: {kept.reason}"
    if kept is None:
        waits = not place.searched and state in ("complete", "infeasible")
        return ("interrupted", f"no latency on {place.target} yet") if waits else (state, reason)
    if state not in ("complete", "infeasible"):
        return state, reason
    if kept.kind == "measured" and kept.epoch != place.epoch:
        return "interrupted", f"its latency on {place.target} is of an earlier epoch; the same command takes it again"
    limit_ms = place.limit_ms
    if state == "complete":
        if limit_ms is None or not is_over(kept, limit_ms):
            return state, caveat(kept)
        since = f"it was trained when {told_ms[0]:.2f} ms were known" if told_ms else "it was trained before"
        return "infeasible", f"{over_limit(kept, limit_ms)}; {since}"
    if told_ms and limit_ms is not None and not is_over(kept, limit_ms):
        return "interrupted", f"{reason}; taken again it is {told(kept)}, so it is evaluated as another trial"
    if told_ms and told_ms[0] != kept.latency_ms:
        return state, f"{reason}; taken again it is {told(kept)}"
    return state, reason


def latency_file(trial_folder: Path, index: int, target: str) -> Path:
    """Where a trial's latency on a target is; `index` is the target's place among the study's."""
    return trial_folder / ("latency.json" if index == 0 else f"latency-{target}.json")


def told_outcome(trial: FrozenTrial) -> Outcome | None:
    """What the journal says became of a trial; None where nothing has yet, or nothing can be said."""
    state = _state(trial)
    if state == "complete":
        return Outcome("complete", trial.values[0], tuple(trial.values[1:]), trial.user_attrs.get("reason", ""))
    if state in ("infeasible", "failed"):
        attributes = trial.user_attrs
        return Outcome(state, None, tuple(attributes.get("latencies_ms", ())), attributes.get("reason", ""))
    return None


def _state(trial: FrozenTrial) -> State:
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.PRUNED:
        return "infeasible" if trial.user_attrs.get("state") == "infeasible" else "pruned"
    if trial.state == TrialState.FAIL:
        return "interrupted" if trial.user_attrs.get("state") == "interrupted" else "failed"
    return "running"


def read_full_validation(folder: Path) -> FullValidation | None:
    """A trial's figure on all validation images, if it has one."""
    try:
        return FullValidation.model_validate_json((folder / FULL_VALIDATION).read_bytes())
    except (OSError, ValidationError):
        return None


def _read_curve(folder: Path) -> tuple[CurvePoint, ...]:
    """A trial's validations in order; an unfinished last line is left out."""
    points = []
    try:
        with (folder / "curve.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                points.append(
                    CurvePoint(int(row["step"]), float(row["loss"]), float(row["psnr_db"]), float(row["seconds"]))
                )
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return tuple(point for point in points if math.isfinite(point.psnr_db))
