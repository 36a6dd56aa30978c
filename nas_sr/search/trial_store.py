"""The one place where a trial is written and read: its entry in the journal, the files in its folder, and which wins.

The journal says which trials there are, their networks, and what the sampler was told. The folder holds what is large
or is taken again: latencies, figures of the deployed graph, curve, weights, the validation on all images.

- Parameters, network, PSNR: the journal. A sampler's values never change, or a continued search would learn otherwise.
- PSNR on a target whose runtime does not compute as PyTorch does: the journal's, plus the difference in the file, where
  that counts (see records.RuntimePsnr).
- Latency and what is measured with it: the file, because finalists, unstable and outdated ones are measured after the
  journal was told. The journal's figure shows only where nothing else does: a complete trial whose file is lost is an
  error of the study.
- State: the journal, as long as it agrees with the latency that is there now and with the limits (see `_state_now`).
- Full trainings of exported bundles: the file alone, which `nas-sr train` writes.
- Longer trainings and those from further seeds (`runs/`): the journal has their scores, the folder states and weights.
- `result.json`, and `runs/SEED-STEPS.json` of a longer training, only decide what becomes of what the journal says is
  running, or does not know: the search was killed between the two. A folder that the journal does not know is nothing.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Annotated, Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field, TypeAdapter, ValidationError

from nas_sr.config import StudyConfig
from nas_sr.families.base import Spec
from nas_sr.files import replacing, write_json
from nas_sr.latency import Impossible, Latency, is_over
from nas_sr.latency_wording import in_short, on_targets, over_limit, reservation
from nas_sr.measure.measurement import Measurement
from nas_sr.objectives import exceeded, named
from nas_sr.predict.prediction import Prediction
from nas_sr.records import RUNS, CurvePoint, FullTrainingScore, FullValidation, RuntimePsnr, Score, State, TrialRecord
from nas_sr.search.outcome import Figures, Outcome

FULL_VALIDATION, FULL_TRAINING = "full_validation.json", "full_training.json"
PARAMS = "params"  # attribute of a trial: its parameters, where Optuna has places of values instead
_OUTCOME, _CURVE = "result.json", "curve.csv"
_LATENCY: TypeAdapter[Latency | Impossible] = TypeAdapter(
    Annotated[Measurement | Prediction | Impossible, Field(discriminator="kind")]
)
_FIGURES = TypeAdapter(dict[str, float])
_FULL_TRAINING = TypeAdapter(tuple[FullTrainingScore, ...])


@dataclass(frozen=True)
class Place:
    """A target among those of a study."""

    target: str
    index: int
    epoch: str  # of the latencies on it that count
    searched: bool  # by the search itself; else it was added later
    limit_ms: float | None
    limits: Mapping[str, float] = field(default_factory=dict)  # of everything else that is limited there


def tell(study: optuna.Study, trial: Trial, outcome: Outcome, config: StudyConfig) -> None:
    """Writes what became of a trial into the journal."""
    for name, limit_ms, latency_ms in zip(config.hw, config.limits_ms, outcome.latencies_ms, strict=False):
        if limit_ms is not None:
            trial.set_constraint(f"latency_ms on {name}", latency_ms - limit_ms)
    for name, excess in outcome.excesses:
        trial.set_constraint(name, excess)
    if outcome.excesses:
        trial.set_user_attr("excesses", outcome.excesses)
    if outcome.reason:
        trial.set_user_attr("reason", outcome.reason)
    if outcome.state == "complete":
        if outcome.inherited_db is not None:
            trial.set_user_attr("inherited_db", outcome.inherited_db)
        if outcome.values:
            trial.set_user_attr("latencies_ms", outcome.latencies_ms)
        study.tell(trial, outcome.told)
        return
    trial.set_user_attr("state", outcome.state)
    trial.set_user_attr("latencies_ms", outcome.latencies_ms)
    if outcome.ahead:
        trial.set_user_attr("ahead", outcome.ahead)
    # Pruned without a violated constraint: for a sampler worse than any complete one, better than an infeasible one.
    pruned = outcome.state in ("infeasible", "pruned")
    study.tell(trial, state=TrialState.PRUNED if pruned else TrialState.FAIL)


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
    psnr_db = trial.values[0] if trial.state == TrialState.COMPLETE else None
    in_runtime = read_runtime_psnr(runtime_psnr_file(folder, place.index, place.target))
    if psnr_db is not None and in_runtime is not None and in_runtime.decides:
        psnr_db += in_runtime.difference_db
    now = Figures(
        spec,
        psnr_db,
        latency.latency_ms if latency else next(iter(told_ms), None),
        latency,
        read_figures(figures_file(folder, place.index, place.target)),
    )
    state, reason = _state_now(trial, kept, place, told_ms, exceeded(now, place.limits, place.target))
    return TrialRecord(
        number=trial.number,
        state=state,
        params=taken_up(trial),
        spec=spec,
        psnr_db=now.psnr_db,
        runtime_psnr=in_runtime,
        full_validation=read_full_validation(folder),
        full_training=read_full_training(folder),
        scratch_db=trial.values[0] if "inherited_db" in trial.user_attrs else None,
        inherited_db=trial.user_attrs.get("inherited_db"),
        latency_ms=now.latency_ms,
        latency=latency,
        figures=now.figures,
        curve=read_curve(folder),
        reason=reason,
        started=trial.datetime_start.astimezone(UTC).isoformat() if trial.datetime_start else None,
        seconds=trial.duration.total_seconds() if trial.duration else None,
        repeats=trial.user_attrs.get("repeats"),
    )


def taken_up(trial: FrozenTrial) -> dict[str, Any]:
    """A trial's parameters, by their names in the search space."""
    return dict(trial.user_attrs.get(PARAMS, trial.params))


def _state_now(
    trial: FrozenTrial, kept: Latency | Impossible | None, place: Place, told_ms: tuple[float, ...], over: str
) -> tuple[State, str]:
    """State and reason. The journal has those of the latency that was known then; it may have been taken since.

    `over` says which limits but the latency's the trial exceeds by what is known now.
    """
    state, reason = _state(trial), str(trial.user_attrs.get("reason", ""))
    if isinstance(kept, Impossible):
        return "failed", f"latency: {kept.reason}"
    if over and state in ("complete", "infeasible"):
        return "infeasible", reason if state == "infeasible" else over
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
            return state, reservation(kept)
        since = f"it was trained when {on_targets(told_ms[:1])} were known" if told_ms else "it was trained before"
        return "infeasible", f"{over_limit(kept, limit_ms)}; {since}"
    by_measurement = limit_ms is not None or any(named(name).known == "measurement" for name in place.limits)
    if told_ms and by_measurement and not (limit_ms is not None and is_over(kept, limit_ms)):
        return "interrupted", f"{reason}; taken again it is {in_short(kept)}, so it is evaluated as another trial"
    if told_ms and told_ms[0] != kept.latency_ms:
        return state, f"{reason}; taken again it is {in_short(kept)}"
    return state, reason


def latency_file(trial_folder: Path, index: int, target: str) -> Path:
    """Where a trial's latency on a target is; `index` is the target's place among the study's."""
    return trial_folder / ("latency.json" if index == 0 else f"latency-{target}.json")


def figures_file(trial_folder: Path, index: int, target: str) -> Path:
    """Where the figures of a trial's deployed graph are, likewise."""
    return trial_folder / ("figures.json" if index == 0 else f"figures-{target}.json")


def runtime_psnr_file(trial_folder: Path, index: int, target: str) -> Path:
    """Where the comparison of a trial's output in the target's runtime with PyTorch's is, likewise."""
    return trial_folder / ("runtime_psnr.json" if index == 0 else f"runtime_psnr-{target}.json")


def write_latency(path: Path, latency: Latency | Impossible) -> None:
    """Keeps a latency; what was there is replaced whole."""
    write_json(path, latency.model_dump(mode="json"))


def read_latency(path: Path) -> Latency | Impossible | None:
    """The latency in a file; None where there is none or the file is broken."""
    try:
        return _LATENCY.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_figures(path: Path, figures: Mapping[str, float]) -> None:
    """Keeps what follows from a deployed graph, by objective."""
    write_json(path, dict(figures))


def read_figures(path: Path) -> dict[str, float]:
    """The figures in a file; none where there is none or the file is broken."""
    try:
        return _FIGURES.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}


def kept_state(folder: Path, seed: int) -> Path:
    """Where the state before the last decay of a candidate's training from a seed is."""
    return folder / RUNS / f"{seed}.ckpt"


def run_weights(folder: Path, seed: int, steps: int) -> Path:
    """Where the weights of a longer training, or one from a further seed, are."""
    return folder / RUNS / f"{seed}-{steps}.safetensors"


def write_score(folder: Path, score: Score) -> None:
    """Keeps what a longer training came to, so that a search killed before telling the study does not lose it."""
    write_json(folder / RUNS / f"{score.seed}-{score.steps}.json", score.model_dump(mode="json"))


def read_scores(folder: Path) -> list[Score]:
    """What the longer trainings of a trial came to; a broken file is left out."""
    found = []
    for path in sorted((folder / RUNS).glob("*.json")):
        with suppress(OSError, ValidationError):
            found.append(Score.model_validate_json(path.read_bytes()))
    return found


def write_runtime_psnr(path: Path, found: RuntimePsnr) -> None:
    """Keeps how a network's output in a runtime compares with PyTorch's."""
    write_json(path, found.model_dump(mode="json"))


def read_runtime_psnr(path: Path) -> RuntimePsnr | None:
    """The comparison in a file; None where there is none or the file is broken."""
    try:
        return RuntimePsnr.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keeps the outcome on disk, so that a search killed before telling the study does not lose it."""
    write_json(folder / _OUTCOME, outcome._asdict())


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome on disk, if the candidate got that far."""
    try:
        value = json.loads((folder / _OUTCOME).read_text())
        tuples = {name: tuple(value[name]) for name in ("latencies_ms", "values", "ahead") if name in value}
        return Outcome(**{**value, **tuples, "excesses": _pairs(value.get("excesses", ()))})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_curve(folder: Path, curve: Sequence[CurvePoint]) -> None:
    """Writes the validations so far; the file is small, and a reader never sees half a line."""
    with replacing(folder / _CURVE) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CurvePoint._fields)
        writer.writerows(curve)


def told_outcome(trial: FrozenTrial) -> Outcome | None:
    """What the journal says became of a trial; None where nothing has yet, or nothing can be said."""
    state, attributes = _state(trial), trial.user_attrs
    reason, excesses = attributes.get("reason", ""), _pairs(attributes.get("excesses", ()))
    inherited_db = attributes.get("inherited_db")
    if state == "complete":
        values = tuple(trial.values)
        if "latencies_ms" in attributes:
            latencies_ms = tuple(attributes["latencies_ms"])
            return Outcome(state, values[0], latencies_ms, reason, values, excesses, inherited_db=inherited_db)
        return Outcome(state, values[0], values[1:], reason, (), excesses, inherited_db=inherited_db)
    if state in ("infeasible", "failed") or (state == "pruned" and "latencies_ms" in attributes):
        ahead = tuple(attributes.get("ahead", ()))
        return Outcome(state, None, tuple(attributes.get("latencies_ms", ())), reason, (), excesses, ahead)
    return None


def _pairs(plain: Iterable[Sequence[Any]]) -> tuple[tuple[str, float], ...]:
    """Names with numbers, as JSON gives them back."""
    return tuple((str(name), float(value)) for name, value in plain)


def _state(trial: FrozenTrial) -> State:
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.PRUNED:
        return "infeasible" if trial.user_attrs.get("state") == "infeasible" else "pruned"
    if trial.state == TrialState.FAIL:
        return "interrupted" if trial.user_attrs.get("state") == "interrupted" else "failed"
    return "running"


def write_full_validation(folder: Path, found: FullValidation) -> None:
    """Keeps a trial's figure on all validation images."""
    write_json(folder / FULL_VALIDATION, found.model_dump(mode="json"))


def read_full_validation(folder: Path) -> FullValidation | None:
    """A trial's figure on all validation images, if it has one."""
    try:
        return FullValidation.model_validate_json((folder / FULL_VALIDATION).read_bytes())
    except (OSError, ValidationError):
        return None


def add_full_training(folder: Path, found: FullTrainingScore) -> None:
    """Keeps what a full training of a trial's network came to, in the place of an earlier one by the same protocol."""
    others = [each for each in read_full_training(folder) if each.protocol != found.protocol]
    write_json(folder / FULL_TRAINING, [each.model_dump(mode="json") for each in (*others, found)])


def read_full_training(folder: Path) -> tuple[FullTrainingScore, ...]:
    """What full trainings of a trial's network came to; none where the file is broken."""
    try:
        return _FULL_TRAINING.validate_json((folder / FULL_TRAINING).read_bytes())
    except (OSError, ValidationError):
        return ()


def read_curve(folder: Path) -> tuple[CurvePoint, ...]:
    """A trial's validations in order; an unfinished last line is left out."""
    points = []
    try:
        with (folder / _CURVE).open(newline="") as file:
            rows = csv.reader(file)
            heading = next(rows)
            places = [heading.index(name) for name in CurvePoint._fields]
            for row in rows:
                step, *values = (row[place] for place in places)
                points.append(CurvePoint(int(step), *map(float, values)))
    except (OSError, ValueError, IndexError, StopIteration):
        pass
    return tuple(point for point in points if math.isfinite(point.psnr_db))
