"""What happens to one candidate: latency first, then training, each step left on disk as it is reached."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from nas_sr.arch.network import build
from nas_sr.arch.spec import ArchSpec
from nas_sr.arch.weights import save_weights
from nas_sr.config import Config, Training
from nas_sr.data.pack import Pack
from nas_sr.evaluate.evaluate import validation_psnr_rgb
from nas_sr.files import replacing, write_json
from nas_sr.latency.device_lock import SharedDevice
from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.latency_cache import cached_or_measured
from nas_sr.latency.profile import profile
from nas_sr.records import CurvePoint
from nas_sr.search.outcome import Outcome, Reached, write_outcome
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Diverged, train
from nas_sr.train.state import TrainingState


class Evaluation(Config):
    """Everything a worker needs to evaluate any candidate of a study."""

    study_dir: str
    hw: str
    train_pack: str
    val_pack: str
    training: Training
    execution: Execution
    max_latency_ms: float | None = None
    threads: int = 1


def evaluate_candidate(evaluation: Evaluation, number: int, spec: ArchSpec) -> Iterator[Reached | Outcome]:
    """Evaluates one candidate, yielding its progress and, last, its outcome.

    Any failure of the candidate is an outcome with its reason; only the worker's own death is not.
    """
    folder = Path(evaluation.study_dir) / "trials" / str(number)
    outcome = None
    try:
        for event in _stages(evaluation, folder, spec):
            if isinstance(event, Outcome):
                outcome = event
                break
            yield event
    except MeasurementFailed as error:
        outcome = Outcome("failed", reason=f"latency: {error}")
    except Diverged as error:
        outcome = Outcome("failed", reason=f"training: {error}")
    except Exception as error:
        outcome = Outcome("failed", reason=f"{type(error).__name__}: {error}")
    assert outcome is not None
    write_outcome(folder, outcome)
    yield outcome


def _stages(evaluation: Evaluation, folder: Path, spec: ArchSpec) -> Iterator[Reached | Outcome]:
    write_json(folder / "spec.json", spec.to_json())
    yield Reached("latency")
    target = profile(evaluation.hw)
    measurement = cached_or_measured(spec, target)
    write_json(folder / "latency.json", measurement.model_dump(mode="json"))
    latency_ms = measurement.latency_ms
    limit = evaluation.max_latency_ms
    if limit is not None and latency_ms > limit:
        yield Outcome("infeasible", None, latency_ms, f"{latency_ms:.2f} ms is over the limit of {limit:g} ms")
        return
    yield Reached("training", 0, evaluation.training.steps, latency_ms=latency_ms)
    state = TrainingState(build(spec, evaluation.training.seed), evaluation.training, evaluation.execution)
    curve: list[CurvePoint] = []
    for point in _train(evaluation, state):
        curve.append(point)
        write_curve(folder / "curve.csv", curve)
        if not math.isfinite(point.psnr_db):
            raise Diverged(f"validation PSNR became {point.psnr_db} at step {point.step}")
        yield Reached("training", point.step, evaluation.training.steps, point.psnr_db, latency_ms)
    save_weights(state.best, spec, folder / "weights.safetensors")
    doubts = "" if measurement.stable else f"latency not stable: {'; '.join(measurement.labels)}"
    yield Outcome("complete", state.best_psnr_db, latency_ms, doubts)


def _train(evaluation: Evaluation, state: TrainingState) -> Iterator[CurvePoint]:
    """The training, holding its device only between two yields, and not while a measurement wants it."""
    images, validation = Pack(Path(evaluation.train_pack)), Pack(Path(evaluation.val_pack))
    with SharedDevice("cpu", evaluation.execution.device) as device:
        start = CurvePoint(0, math.nan, validation_psnr_rgb(state.judged, validation), 0.0)
        yield start
        yield from train(
            state, images, lambda network: validation_psnr_rgb(network, validation), between_steps=device.step_boundary
        )


def write_curve(path: Path, curve: list[CurvePoint]) -> None:
    """Writes the validations so far; the file is small, and a reader never sees half a line."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CurvePoint._fields)
        writer.writerows(curve)
