"""A study on disk: its frozen config, Optuna's journal as the single source of truth, and one folder a trial."""

from __future__ import annotations

import csv
import fcntl
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from nas_sr.arch.counts import counts
from nas_sr.arch.presets import preset_name
from nas_sr.arch.spec import ArchSpec
from nas_sr.config import StudyConfig, read_yaml, write_yaml
from nas_sr.errors import UsageError, unknown_name
from nas_sr.files import replacing, writable_folder, write_json
from nas_sr.front import hypervolume, pareto_front
from nas_sr.latency.record import Measurement
from nas_sr.records import CurvePoint, State, StudyRecord, TrialRecord
from nas_sr.search.journal import open_journal
from nas_sr.search.samplers import sampler

CONFIG, JOURNAL, ENVIRONMENT, TRIALS = "study.yaml", "journal.log", "environment.json", "trials"
_NAME = "search"  # inside the journal, whatever the folder is called: it may be renamed
_FEWEST_FOR_IMPORTANCES = 10  # distinct complete trials below which importances are noise

optuna.logging.set_verbosity(optuna.logging.WARNING)


class StudyStore:
    """The one place where a study is read and written."""

    def __init__(self, folder: Path, config: StudyConfig, study: optuna.Study) -> None:
        self.folder = folder
        self.config = config
        self.study = study

    @classmethod
    def create(cls, folder: Path, config: StudyConfig, environment: dict[str, Any]) -> StudyStore:
        """A new study. Its config is written last: a folder without it is no study yet.

        Raises:
            UsageError: the folder cannot be written.
        """
        writable_folder(folder)
        write_json(folder / ENVIRONMENT, environment)
        study = optuna.create_study(
            storage=open_journal(folder / JOURNAL),
            study_name=_NAME,
            directions=["maximize", "minimize"],
            sampler=sampler(config),
            load_if_exists=True,  # begun, and killed before its config was written
        )
        with replacing(folder / CONFIG) as temporary:
            write_yaml(temporary, config)
        return cls(folder, config, study)

    @classmethod
    def open(cls, folder: Path) -> StudyStore:
        """An existing study.

        Raises:
            UsageError: no study there, or one without its journal.
        """
        if not (folder / CONFIG).is_file():
            raise UsageError(f"{folder}: no study there ({CONFIG} is missing){_studies_beside(folder)}")
        if not (folder / JOURNAL).is_file():
            raise UsageError(f"{folder}: the study has no {JOURNAL}; its trials cannot be read")
        config = read_yaml(folder / CONFIG, StudyConfig)
        try:
            study = optuna.load_study(study_name=_NAME, storage=open_journal(folder / JOURNAL), sampler=sampler(config))
        except (KeyError, ValueError) as error:
            raise UsageError(f"{folder / JOURNAL}: not a readable journal: {error}") from None
        return cls(folder, config, study)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a study was begun there."""
        return (folder / CONFIG).is_file()

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Holds the study for one search; the kernel lets go of it when the process ends, however it ends.

        Raises:
            UsageError: another process searches in it now.
        """
        descriptor = os.open(self.folder / ".searching", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise UsageError(f"{self.folder}: another search is running in this study") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def environment(self) -> dict[str, Any]:
        """What was written when the study began: machine, versions, images, how training steps run."""
        return _read_json(self.folder / ENVIRONMENT) or {}

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps spec.json, latency.json, curve.csv, result.json and weights.safetensors."""
        return self.folder / TRIALS / str(number)

    def trials(self) -> list[TrialRecord]:
        """Every trial that was begun, by number."""
        frozen = self.study.get_trials(deepcopy=False)
        return [self._trial(trial) for trial in frozen if "spec" in trial.user_attrs]

    def record(self) -> StudyRecord:
        """The study as its report sees it."""
        trials = self.trials()
        environment = self.environment()
        complete = [trial for trial in trials if trial.state == "complete"]
        for trial in complete:
            if trial.latency is None:
                lost = self.trial_folder(trial.number if trial.repeats is None else trial.repeats) / "latency.json"
                raise UsageError(f"{lost}: missing or broken; the study cannot say how this latency was measured")
        points = [(float(trial.psnr_db or 0), float(trial.latency_ms or 0)) for trial in complete]
        reference = (
            float(environment.get("bicubic_psnr_db", min((psnr for psnr, _ in points), default=0.0))),
            float(self.config.max_latency_ms or max((latency for _, latency in points), default=0.0)),
        )
        history, so_far = [], []
        for trial, point in sorted(zip(complete, points, strict=True), key=lambda pair: _finished(pair[0])):
            so_far.append(point)
            history.append((trial.number, hypervolume(so_far, reference)))
        return StudyRecord(
            name=self.folder.name,
            study_dir=str(self.folder),
            config=self.config.model_dump(mode="json"),
            environment=environment,
            trials=tuple(trials),
            front=tuple(complete[index].number for index in pareto_front(points)),
            hypervolume_reference=reference,
            hypervolume_history=tuple(history),
            importances=self._importances(complete),
        )

    def _importances(self, complete: list[TrialRecord]) -> dict[str, dict[str, float]]:
        if len({trial.spec.digest for trial in complete}) < _FEWEST_FOR_IMPORTANCES:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return {
            name: optuna.importance.get_param_importances(
                self.study,
                evaluator=evaluator,
                target=lambda trial, index=index: trial.values[index],  # type: ignore[misc]
            )
            for index, name in enumerate(("psnr_db", "latency_ms"))
        }

    def _trial(self, trial: FrozenTrial) -> TrialRecord:
        attributes = trial.user_attrs
        spec = ArchSpec.from_json(attributes["spec"], f"{self.folder / JOURNAL}, trial {trial.number}")
        repeats = attributes.get("repeats")
        source = self.trial_folder(trial.number if repeats is None else repeats)
        seconds = trial.duration.total_seconds() if trial.duration else None
        return TrialRecord(
            number=trial.number,
            state=_state(trial),
            params=dict(trial.params),
            spec=spec,
            counts=counts(spec),
            preset=preset_name(spec),
            psnr_db=trial.values[0] if trial.state == TrialState.COMPLETE else None,
            latency_ms=trial.values[1] if trial.state == TrialState.COMPLETE else attributes.get("latency_ms"),
            latency=read_latency(source),
            curve=read_curve(source),
            reason=attributes.get("reason", ""),
            started=trial.datetime_start.astimezone(UTC).isoformat() if trial.datetime_start else None,
            seconds=seconds,
            repeats=repeats,
        )


def _state(trial: FrozenTrial) -> State:
    if trial.state == TrialState.COMPLETE:
        return "complete"
    if trial.state == TrialState.PRUNED:
        return "infeasible" if trial.user_attrs.get("state") == "infeasible" else "pruned"
    if trial.state == TrialState.FAIL:
        return "interrupted" if trial.user_attrs.get("state") == "interrupted" else "failed"
    return "running"


def _finished(trial: TrialRecord) -> tuple[str, float, int]:
    return trial.started or "", trial.seconds or 0.0, trial.number


def read_latency(folder: Path) -> Measurement | None:
    """A trial's measurement; None where it has none or the file is broken."""
    try:
        return Measurement.model_validate_json((folder / "latency.json").read_bytes())
    except (OSError, ValidationError):
        return None


def read_curve(folder: Path) -> tuple[CurvePoint, ...]:
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


def study_folder(study: str, root: Path) -> Path:
    """A study by name under `root`, or by the path of its folder."""
    path = Path(study)
    return path if len(path.parts) > 1 or StudyStore.exists(path) else root / study


def find_trial(record: StudyRecord, number: int) -> TrialRecord:
    """The trial of that number.

    Raises:
        UsageError: none such; the numbers there are listed.
    """
    try:
        return record.trial(number)
    except KeyError:
        known = [str(trial.number) for trial in record.trials]
        raise unknown_name(f"trial of study '{record.name}'", str(number), known) from None


def _studies_beside(folder: Path) -> str:
    found = sorted(path.parent.name for path in folder.parent.glob(f"*/{CONFIG}"))
    return f"; studies in {folder.parent}: {', '.join(found)}" if found else ""


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
