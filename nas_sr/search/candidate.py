"""What happens to one candidate: latency first, then training, each step left on disk as it is reached."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal

from torch import nn

from nas_sr.config import Config, Training
from nas_sr.data.pack import Pack
from nas_sr.evaluate.validation import bounded, validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import build
from nas_sr.families.weights import save_weights
from nas_sr.files import replacing, write_json
from nas_sr.latency import Latency, caveat, is_over, over_limit, read_latency, write_latency
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.pareto import beaten
from nas_sr.predict.prediction import Prediction
from nas_sr.records import CurvePoint
from nas_sr.search.failures import of_environment
from nas_sr.search.outcome import Outcome, Reached, read_outcome, write_outcome
from nas_sr.search.targets import Target, target
from nas_sr.search.trial_record import latency_file
from nas_sr.stages import recording, stage
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Diverged, train
from nas_sr.train.state import TrainingState


class Evaluation(Config):
    """Everything a worker needs to evaluate any candidate of a study."""

    study_dir: str
    hw: tuple[str, ...]
    train_pack: str
    val_pack: str
    validation_megapixels: float
    training: Training
    execution: Execution
    limits_ms: tuple[float | None, ...]
    measure: Literal["all", "uncertain"] = "all"
    threads: int = 1


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
    latencies: list[Latency] = []
    for index, (each, limit_ms) in enumerate(zip(targets, evaluation.limits_ms, strict=True)):
        latencies.append(_first_latency(each, spec, limit_ms, evaluation.measure))
        write_latency(latency_file(folder, index, each.profile.name), latencies[-1])
        if limit_ms is not None and is_over(latencies[-1], limit_ms):
            reason = over_limit(latencies[-1], limit_ms)
            yield Outcome("infeasible", None, _figures(latencies), reason)
            return
    yield Reached("training", 0, evaluation.training.steps, latencies_ms=_figures(latencies))
    with SharedDevice("cpu", evaluation.execution.device):  # a GPU's context and first memory disturb measurements too
        state = TrainingState(build(spec, evaluation.training.seed), evaluation.training, evaluation.execution)
    curve: list[CurvePoint] = []
    for point in _train(evaluation, state):
        curve.append(point)
        write_curve(folder / "curve.csv", curve)
        if not math.isfinite(point.psnr_db):
            raise Diverged(f"validation PSNR became {point.psnr_db} at step {point.step}")
        yield Reached("training", point.step, evaluation.training.steps, point.psnr_db, _figures(latencies))
    save_weights(state.best, spec, folder / "weights.safetensors")
    if evaluation.measure == "uncertain":
        for index, each in enumerate(targets):
            if latencies[index].kind == "predicted" and not _surely_beaten(
                state.best_psnr_db, latencies[index], folder.parent, index, each.profile.name
            ):
                yield Reached("latency", psnr_db=state.best_psnr_db, latencies_ms=_figures(latencies))
                latencies[index] = each.latency(spec)
                write_latency(latency_file(folder, index, each.profile.name), latencies[index])
    yield Outcome("complete", state.best_psnr_db, _figures(latencies), "; ".join(filter(None, map(caveat, latencies))))


def _first_latency(target: Target, spec: Spec, limit_ms: float | None, measure: str) -> Latency:
    """The latency before training: measured, unless a prediction is all that is asked for and sure of the limit."""
    if measure == "all" or target.predictor is None:
        return target.latency(spec)
    found = target.predicted(spec, "measured only where this cannot decide")
    undecided = limit_ms is not None and found.bound_ms <= limit_ms <= found.high_ms
    return target.latency(spec) if undecided else found


def _surely_beaten(psnr_db: float, latency: Latency, trials: Path, index: int, target: str) -> bool:
    """Whether a complete trial is better even if this one is as fast, and that one as slow, as they can be."""
    points = []
    for folder in trials.iterdir():
        outcome, other = read_outcome(folder), read_latency(latency_file(folder, index, target))
        if outcome is not None and outcome.psnr_db is not None and isinstance(other, Measurement | Prediction):
            points.append((outcome.psnr_db, other.high_ms))
    return beaten((psnr_db, latency.low_ms), points)


def _figures(latencies: list[Latency]) -> tuple[float, ...]:
    return tuple(latency.latency_ms for latency in latencies)


@lru_cache
def _target(hw: str, study_dir: str) -> Target:
    """One for each worker process: it remembers that a device is silent."""
    return target(hw, Path(study_dir))


def _train(evaluation: Evaluation, state: TrainingState) -> Iterator[CurvePoint]:
    """The training, holding its device only between two yields, and not while a measurement wants it."""
    images = Pack(Path(evaluation.train_pack))
    looked_at = bounded(Pack(Path(evaluation.val_pack)), evaluation.validation_megapixels)
    with SharedDevice("cpu", evaluation.execution.device) as device, stage("training"):

        @stage("validation")
        def validate(network: nn.Module) -> float:
            return validation_psnr_rgb(network, looked_at, device.step_boundary)

        yield from train(state, images, validate, between_steps=device.step_boundary)


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """Writes the validations so far; the file is small, and a reader never sees half a line."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CurvePoint._fields)
        writer.writerows(curve)
