"""What happens to one candidate: what its network alone decides, latency, training; each step is left on disk."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from nas_sr.families.base import Spec
from nas_sr.families.weights import save_weights
from nas_sr.files import write_json
from nas_sr.latency import Latency, is_over
from nas_sr.latency_wording import over_limit, reservation
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.objectives import DEFAULT, LATENCY, all_named, columns, exceeded, maximised, named, point
from nas_sr.pareto import beaten
from nas_sr.predict.prediction import Prediction
from nas_sr.records import CurvePoint
from nas_sr.search.candidate_training import CandidateTraining, inherited_psnr_db
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.failures import of_environment
from nas_sr.search.graph_figures import graph_figures
from nas_sr.search.outcome import Figures, Outcome, Reached
from nas_sr.search.study_log import TRACEBACK
from nas_sr.search.surely_behind import surely_behind
from nas_sr.search.targets import Target, target
from nas_sr.search.trial_store import (
    figures_file,
    latency_file,
    read_latency,
    read_outcome,
    write_curve,
    write_figures,
    write_latency,
    write_outcome,
)
from nas_sr.stages import recording
from nas_sr.train.loop import Diverged


def evaluate_candidate(evaluation: Evaluation, number: int, spec: Spec) -> Iterator[Reached | Outcome]:
    """Evaluates one candidate, yielding its progress and, last, its outcome.

    Any failure of the candidate is an outcome with its reason; only the worker's own death is not. Where something else
    gave way it is "interrupted", of which nothing stays on disk.
    """
    folder = Path(evaluation.study_dir) / "trials" / str(number)
    with recording(folder / "stages.json"):
        for event in _until_outcome(evaluation, folder, spec):
            if isinstance(event, Outcome):
                break
            yield event
    yield event  # last, because nobody may ask for more


def _until_outcome(evaluation: Evaluation, folder: Path, spec: Spec) -> Iterator[Reached | Outcome]:
    outcome = None
    try:
        for event in _stages(evaluation, folder, spec):
            if isinstance(event, Outcome):
                outcome = event
                break
            yield event
    except MeasurementFailed as error:
        of_device = error.kind == "device"
        outcome = Outcome("interrupted", reason=error.text) if of_device else _failed(f"latency: {error}")
    except Diverged as error:
        outcome = _failed(f"training: {error}")
    except Exception as error:
        gave_way = of_environment(error)
        if not gave_way:
            with suppress(OSError):
                (folder / TRACEBACK).write_text(traceback.format_exc())
        outcome = Outcome("interrupted", reason=gave_way) if gave_way else _failed(f"{type(error).__name__}: {error}")
    assert outcome is not None
    if outcome.state != "interrupted":
        with suppress(OSError):  # it is only for a search that is killed before it tells the study
            write_outcome(folder, outcome)
    yield outcome


def _failed(reason: str) -> Outcome:
    return Outcome("failed", reason=reason)


def _stages(evaluation: Evaluation, folder: Path, spec: Spec) -> Iterator[Reached | Outcome]:
    write_json(folder / "spec.json", spec.to_json())
    yield Reached("latency")
    targets = [_target(name, evaluation.study_dir) for name in evaluation.hw]
    found = [Figures(spec) for _ in targets]
    for index, each in enumerate(targets):
        figures = graph_figures(spec, each.profile, (*evaluation.objectives, *evaluation.limits))
        if figures:
            write_figures(figures_file(folder, index, each.profile.name), figures)
        found[index] = found[index]._replace(figures=figures)
    if reason := _over(evaluation, targets, found):
        yield _infeasible(evaluation, targets, found, reason)
        return
    for index, (each, limit_ms) in enumerate(zip(targets, evaluation.limits_ms, strict=True)):
        latency = _first_latency(each, spec, limit_ms, evaluation.measure)
        found[index] = found[index]._replace(latency=latency, latency_ms=latency.latency_ms)
        write_latency(latency_file(folder, index, each.profile.name), latency)
        if limit_ms is not None and is_over(latency, limit_ms):
            yield _infeasible(evaluation, targets, found, over_limit(latency, limit_ms))
            return
        if reason := _over(evaluation, targets, found):
            yield _infeasible(evaluation, targets, found, reason)
            return
        _refuse_unknown(evaluation, each, found[index])
    latencies_ms = _latencies_ms(found)
    if evaluation.skip_surely_behind:
        names = [each.profile.name for each in targets]
        with SharedDevice("cpu"):  # a second of computing disturbs measurements
            behind = surely_behind(evaluation, found, names)
        if behind:
            excesses = _excesses(evaluation, targets, found)
            yield Outcome("pruned", None, latencies_ms, behind.reason, excesses=excesses, ahead=behind.ahead)
            return
    yield Reached("training", 0, evaluation.training.steps, latencies_ms=latencies_ms)
    training = CandidateTraining(evaluation, folder, spec, 0, evaluation.training.steps)
    curve: list[CurvePoint] = []
    for validated in training.run():
        curve.append(validated)
        write_curve(folder, curve)
        yield Reached("training", validated.step, evaluation.training.steps, validated.psnr_db, latencies_ms)
    state = training.state
    save_weights(state.best, spec, folder / "weights.safetensors")
    found = [each._replace(psnr_db=state.best_psnr_db) for each in found]
    if evaluation.measure == "uncertain":
        for index, each in enumerate(targets):
            latency = _known(found[index].latency)
            if latency.kind == "predicted" and not _surely_beaten(
                found[index], evaluation.objectives, folder.parent, index, each.profile.name
            ):
                yield Reached("latency", psnr_db=state.best_psnr_db, latencies_ms=_latencies_ms(found))
                latency = each.latency(spec)
                found[index] = found[index]._replace(latency=latency, latency_ms=latency.latency_ms)
                write_latency(latency_file(folder, index, each.profile.name), latency)
    inherited_db = inherited_psnr_db(evaluation, spec) if evaluation.evaluator == "combined" else None
    yield Outcome(
        "complete",
        state.best_psnr_db,
        _latencies_ms(found),
        "; ".join(filter(None, (reservation(_known(each.latency)) for each in found))),
        _values(evaluation, found),
        _excesses(evaluation, targets, found),
        inherited_db=inherited_db,
    )


def _over(evaluation: Evaluation, targets: Sequence[Target], found: Sequence[Figures]) -> str:
    """Why a limit rules the candidate out before it is trained; nothing where none does."""
    reasons = (
        exceeded(figures, evaluation.limits, each.profile.name, ("network", "measurement"))
        for each, figures in zip(targets, found, strict=True)
    )
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def _infeasible(evaluation: Evaluation, targets: Sequence[Target], found: Sequence[Figures], reason: str) -> Outcome:
    excesses = _excesses(evaluation, targets, found)
    return Outcome("infeasible", None, _latencies_ms(found), reason, excesses=excesses)


def _excesses(
    evaluation: Evaluation, targets: Sequence[Target], found: Sequence[Figures]
) -> tuple[tuple[str, float], ...]:
    """By which share of each limit but the latency's the candidate exceeds it, as far as its values are known."""
    excesses: dict[str, float] = {}
    for name, limit in evaluation.limits.items():
        objective = named(name)
        for each, figures in zip(targets, found, strict=True):
            value = objective.value(figures)
            if value is not None:
                where = f"{name} on {each.profile.name}" if objective.per_target else name
                excesses[where] = objective.excess(value, limit) / limit
    return tuple(excesses.items())


def _values(evaluation: Evaluation, found: Sequence[Figures]) -> tuple[float, ...]:
    """What the sampler is told; nothing where PSNR and the latencies are all of it."""
    objectives = all_named(evaluation.objectives)
    if objectives == DEFAULT:
        return ()
    return tuple(point(found[target], (objective,))[0] for objective, target in columns(objectives, len(found)))


def _refuse_unknown(evaluation: Evaluation, target: Target, found: Figures) -> None:
    """A candidate without one of the study's objectives could never be on its front.

    Raises:
        MeasurementFailed: of kind device where the latency was only predicted: it is to be measured later.
    """
    for objective in all_named((*evaluation.objectives, *evaluation.limits)):
        if objective.known == "measurement" and objective.value(found) is None:
            predicted = _known(found.latency).kind == "predicted"
            why = "it does not answer" if predicted else "the device gave no reading while it was measured"
            raise MeasurementFailed(
                "device" if predicted else "candidate", f"no {objective.name} on {target.profile.name}: {why}"
            )


def _first_latency(target: Target, spec: Spec, limit_ms: float | None, measure: str) -> Latency:
    """The latency before training: measured, unless a prediction is all that is asked for and sure of the limit."""
    if measure == "all" or target.predictor is None:
        return target.latency(spec)
    found = target.predicted(spec, "measured only where this cannot decide")
    undecided = limit_ms is not None and found.bound_ms <= limit_ms <= found.high_ms
    return target.latency(spec) if undecided else found


def _surely_beaten(found: Figures, names: Sequence[str], trials: Path, index: int, target: str) -> bool:
    """Whether a complete trial is better even if this one is as fast, and that one as slow, as they can be."""
    objectives = all_named(names)
    points = []
    for folder in trials.iterdir():
        outcome, other = read_outcome(folder), read_latency(latency_file(folder, index, target))
        if outcome is not None and outcome.psnr_db is not None and isinstance(other, Measurement | Prediction):
            values = dict(zip(columns(objectives, len(outcome.latencies_ms)), outcome.told, strict=True))
            of_target = {each.name: value for (each, place), value in values.items() if place in (0, index)}
            points.append(tuple((of_target | {LATENCY.name: other.high_ms})[each.name] for each in objectives))
    mine = found._replace(latency_ms=_known(found.latency).low_ms)
    return beaten(point(mine, objectives), points, maximised(objectives))


def _known(latency: Latency | None) -> Latency:
    assert latency is not None
    return latency


def _latencies_ms(found: Sequence[Figures]) -> tuple[float, ...]:
    return tuple(each.latency_ms for each in found if each.latency_ms is not None)


@lru_cache
def _target(hw: str, study_dir: str) -> Target:
    """One for each worker process: it remembers that a device is silent."""
    return target(hw, Path(study_dir))
