"""A study on disk: its frozen config, Optuna's journal, and one folder a trial. What a trial is: see trial_store."""

from __future__ import annotations

import copy
import gc
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from nas_sr.audit_record import Audit
from nas_sr.config import StudyConfig, read_yaml, write_yaml
from nas_sr.errors import UsageError, unknown_name
from nas_sr.families.base import Spec
from nas_sr.families.registry import parse_spec
from nas_sr.files import held_alone, replacing, writable_folder, write_json
from nas_sr.latency import Impossible, is_over
from nas_sr.measure.profile import HardwareProfile
from nas_sr.objectives import LATENCY, all_named, columns, exceeded, maximised, named, point
from nas_sr.pareto import pareto_front
from nas_sr.records import Baseline, Score, StudyRecord, TrialRecord
from nas_sr.search.estimates import with_combined, with_estimates
from nas_sr.search.hypervolume import Growth
from nas_sr.search.importances import importances
from nas_sr.search.journal import open_journal
from nas_sr.search.latency_epochs import current_epoch
from nas_sr.search.outcome import Figures, Outcome
from nas_sr.search.samplers import sampler
from nas_sr.search.trial_store import (
    Place,
    figures_file,
    latency_file,
    read_latency,
    runtime_psnr_file,
    told_outcome,
    trial_record,
)

CONFIG, JOURNAL, ENVIRONMENT, TRIALS = "study.yaml", "journal.log", "environment.json", "trials"
TARGETS, BASELINES = "targets", "baselines"  # what was added after the search
WARM_START = "warm_start"  # key of the environment: the networks that another study found good
AUDIT = "audit.json"  # of the first target
RETRIES = "retries"  # attribute of a trial: the number of a failed one whose network it tries again
_SCORE = "score"  # begins the name of an attribute of the study: a further training's score
_BEFORE = {"ordered_parameters": False}  # of versions that did not have the field
_NAME = "search"  # inside the journal, whatever the folder is called: it may be renamed

optuna.logging.set_verbosity(optuna.logging.WARNING)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's garbage collector: what is read all stays, and of 2,000 trials it takes as long as reading."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
            directions=[
                StudyDirection.MAXIMIZE if column.objective.maximise else StudyDirection.MINIMIZE
                for column in columns(all_named(config.objectives), len(config.hw))
            ],
            sampler=sampler(config, 0),
            load_if_exists=True,  # begun, and killed before its config was written
        )
        with replacing(folder / CONFIG) as temporary:
            write_yaml(temporary, config)
        return cls(folder, config, study)

    @classmethod
    def open(cls, folder: Path) -> StudyStore:
        """An existing study, to go on with.

        Raises:
            UsageError: no study there, one without its journal, one that cannot be written to, or its sampler is gone.
        """
        if cls.exists(folder):
            writable_folder(folder)
        store = cls._existing(folder)
        # Only here: a study is read where its sampler's own module may be missing.
        store.study.sampler = sampler(store.config, len(store.study.get_trials(deepcopy=False)))
        return store

    @classmethod
    def read(cls, folder: Path) -> StudyStore:
        """An existing study as it is now; nothing is written, so its folder may be read-only, or be searched meanwhile.

        Raises:
            UsageError: no study there, or one without its journal.
        """
        return cls._existing(folder)

    @classmethod
    @_uncollected()
    def _existing(cls, folder: Path) -> StudyStore:
        if not (folder / CONFIG).is_file():
            raise UsageError(f"{folder}: no study there ({CONFIG} is missing){_studies_beside(folder)}")
        if not (folder / JOURNAL).is_file():
            raise UsageError(f"{folder}: the study has no {JOURNAL}; its trials cannot be read")
        config = _frozen_config(folder / CONFIG)
        try:
            study = optuna.load_study(study_name=_NAME, storage=open_journal(folder / JOURNAL))
        except (KeyError, ValueError, TypeError, AssertionError) as error:
            raise UsageError(f"{folder / JOURNAL}: not a readable journal: {error}") from None
        return cls(folder, config, study)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a study was begun there."""
        return (folder / CONFIG).is_file()

    def searching(self) -> AbstractContextManager[None]:
        """Holds the study for one search.

        Raises:
            UsageError: another process searches in it now.
        """
        return held_alone(self.folder / ".searching", f"{self.folder}: another search is running in this study")

    def environment(self) -> dict[str, Any]:
        """What was written when the study began: machine, versions, images, how training steps run."""
        return _read_json(self.folder / ENVIRONMENT) or {}

    def trial_folder(self, number: int) -> Path:
        """Where a trial keeps spec.json, latency.json, curve.csv, stages.json, result.json and weights.safetensors."""
        return self.folder / TRIALS / str(number)

    def tell_score(self, number: int, score: Score) -> None:
        """Writes what a longer training of a trial, or one from a further seed, came to into the journal."""
        self.study.set_user_attr(f"{_SCORE} {number} {score.seed} {score.steps}", score.model_dump(mode="json"))

    def scores(self, audits: bool = True) -> dict[int, tuple[Score, ...]]:
        """What every training of each complete trial came to, by seed and length; that of the search itself first.

        Without `audits`, only what the search trained.
        """
        first = self.config.training.steps
        found = {
            trial.number: [Score(seed=0, steps=first, psnr_db=trial.values[0])]
            for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if "repeats" not in trial.user_attrs
        }
        for name, value in self.study.user_attrs.items():
            kind, _, rest = name.partition(" ")
            if kind == _SCORE and (number := int(rest.split()[0])) in found:
                score = Score.model_validate(value)
                if audits or not score.audit:
                    found[number].append(score)
        return {n: tuple(sorted(each, key=lambda score: (score.seed, score.steps))) for n, each in found.items()}

    def judged_after(self, audits: bool = True) -> int | None:
        """The steps after which this study's PSNRs are estimated: those of the longest rung, or of a longer audit.

        None where every candidate was trained once, for one length: then there is nothing to estimate from.
        """
        rungs = self.config.racing.rungs if self.config.racing else ()
        if not rungs and not any(self.folder.glob("audit*.json")):
            return None  # without another look at the journal
        told = [value for name, value in self.study.user_attrs.items() if name.startswith(f"{_SCORE} ")]
        scores = [score for score in map(Score.model_validate, told) if audits or not score.audit]
        return max([*rungs[-1:], *(score.steps for score in scores if score.psnr_db is not None)], default=None)

    def finished(self) -> dict[int, Outcome]:
        """What became of every candidate that has an outcome, repeats left out, as the sampler was told."""
        return {
            trial.number: outcome
            for trial in self._frozen_trials()
            if "repeats" not in trial.user_attrs and "spec" in trial.user_attrs and (outcome := told_outcome(trial))
        }

    def _frozen_trials(self) -> list[FrozenTrial]:
        """All trials as the journal has them now; failures that were taken back are interrupted ones."""
        trials = self.study.get_trials(deepcopy=False)
        taken_back = {trial.user_attrs[RETRIES] for trial in trials if RETRIES in trial.user_attrs}
        return [
            _interrupted(trial)
            if trial.state == TrialState.FAIL and trial.user_attrs.get("repeats", trial.number) in taken_back
            else trial
            for trial in trials
        ]

    def wrongly_infeasible(self) -> set[int]:
        """Candidates that a latency ruled out and the one taken since does not: they are to be evaluated after all."""
        epochs = {name: self.epoch(name) for name in self._own_targets}
        return {
            number
            for number, outcome in self.finished().items()
            if outcome.state == "infeasible" and not self._is_ruled_out(number, epochs)
        }

    def wrongly_pruned(self) -> set[int]:
        """Candidates that were not trained because of a trial that turned out to be slower than they, or infeasible."""
        pruned = {number: outcome.ahead for number, outcome in self.finished().items() if outcome.state == "pruned"}
        wrong = set()
        for place, name in enumerate(self._own_targets if pruned else ()):
            trials = {trial.number: trial for trial in self.trials(name)}
            for number, ahead in pruned.items():
                rival = trials.get(ahead[place])
                rival_ms = rival.latency_ms if rival is not None and rival.state == "complete" else None
                own_ms = trials[number].latency_ms
                slower = rival_ms is None or own_ms is None or rival_ms > own_ms
                if rival_ms is None or (slower and LATENCY.name in self.config.objectives):
                    wrong.add(number)
        return wrong

    def _is_ruled_out(self, number: int, epochs: dict[str, str]) -> bool:
        """Whether what was measured rules a candidate out; a latency of an earlier epoch does until it is taken
        again."""
        limits = {n: limit for n, limit in self.config.other_limits.items() if named(n).known == "measurement"}
        known = False
        for (name, epoch), limit_ms in zip(epochs.items(), self.config.limits_ms, strict=True):
            kept = read_latency(self.latency_path(number, name))
            if kept is None or (limit_ms is None and not limits):
                continue
            known = True
            if isinstance(kept, Impossible) or (limit_ms is not None and is_over(kept, limit_ms)):
                return True
            if kept.kind == "measured" and kept.epoch != epoch:
                return True
            spec = self.spec(self.study.get_trials(deepcopy=False)[number])
            if exceeded(Figures(spec, latency_ms=kept.latency_ms, latency=kept), limits):
                return True
        return not known  # then what was told stands

    @property
    def _own_targets(self) -> tuple[str, ...]:
        """Those that the search itself has, in the order of its limits."""
        return self.targets[: len(self.config.hw)]

    def spec(self, trial: FrozenTrial) -> Spec:
        """The network of a trial that has been named."""
        return parse_spec(trial.user_attrs["spec"], f"{self.folder / JOURNAL}, trial {trial.number}")

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the hardware profiles that there are latencies for: the study's own, then those of retargeting."""
        return tuple(self.profiles())

    def profiles(self) -> dict[str, dict[str, Any]]:
        """The profile of each target as it was when its latencies were begun."""
        frozen = self.environment().get("frozen", {})
        own: dict[str, dict[str, Any]] = frozen.get("hw") or {Path(name).stem: {} for name in self.config.hw}
        return {**own, **{name: added.get("profile", {}) for name, added in self._added().items()}}

    def hw(self, target: str) -> str:
        """What names a target to a command: its shipped profile's name, or the path of the user's own."""
        index = self.targets.index(target)
        return self.config.hw[index] if index < len(self.config.hw) else self._added()[target].get("hw", target)

    def add_target(self, hw: str, profile: HardwareProfile) -> None:
        """Makes place for latencies on a further target, whose profile has that name or path."""
        write_json(self.folder / TARGETS / f"{profile.name}.json", {"hw": hw, "profile": profile.frozen()})

    def _added(self) -> dict[str, dict[str, Any]]:
        return {path.stem: _read_json(path) or {} for path in sorted((self.folder / TARGETS).glob("*.json"))}

    def latency_path(self, trial: int, target: str) -> Path:
        """Where a trial's latency on a target is."""
        return latency_file(self.trial_folder(trial), self.targets.index(target), target)

    def figures_path(self, trial: int, target: str) -> Path:
        """Where the figures of a trial's graph on a target are."""
        return figures_file(self.trial_folder(trial), self.targets.index(target), target)

    def runtime_psnr_path(self, trial: int, target: str) -> Path:
        """Where a trial's output in a target's runtime is compared with PyTorch's."""
        return runtime_psnr_file(self.trial_folder(trial), self.targets.index(target), target)

    def epoch(self, target: str) -> str:
        """The epoch of the latencies on a target that count; "" before the first."""
        found = current_epoch(self.folder, target)
        return found.id if found else ""

    def trials(self, target: str | None = None) -> list[TrialRecord]:
        """Every trial that was begun, by number, with its latency on one target (the study's first)."""
        return self._trials(target or self.targets[0], self._frozen_trials())

    @_uncollected()
    def records(self) -> list[StudyRecord]:
        """The study on each of its targets, all as of one moment."""
        frozen = self._frozen_trials()
        return [self._record(target, frozen) for target in self.targets]

    def estimated(self) -> list[list[TrialRecord]]:
        """The trials on each target, with their estimates where there are trainings of several lengths."""
        frozen = self._frozen_trials()
        return [self._estimated(target, frozen) for target in self.targets]

    def report_records(self) -> list[StudyRecord]:
        """The same, each with how much every parameter matters: only a report shows that."""
        return [record.model_copy(update={"importances": importances(self.study, record)}) for record in self.records()]

    @_uncollected()
    def record(self, target: str | None = None, audits: bool = True) -> StudyRecord:
        """The study as its report sees it, on one target (its first); without `audits`, as the search alone left it.

        Raises:
            UsageError: no such target, or a latency's file is lost.
        """
        names = self.targets
        if target is not None and target not in names:
            raise unknown_name(f"target of study '{self.folder.name}'", target, list(names))
        return self._record(target or names[0], self._frozen_trials(), audits)

    def _trials(self, target: str, frozen: list[FrozenTrial]) -> list[TrialRecord]:
        index = self.targets.index(target)
        limits_ms = dict(enumerate(self.config.limits_ms))
        searched = index < len(self.config.hw)
        place = Place(target, index, self.epoch(target), searched, limits_ms.get(index), self._limits(searched))
        return [
            trial_record(trial, self.spec(trial), self._source(trial), place)
            for trial in frozen
            if "spec" in trial.user_attrs
        ]

    def _estimated(self, target: str, frozen: list[FrozenTrial], audits: bool = True) -> list[TrialRecord]:
        trials = self._trials(target, frozen)
        longest = self.judged_after(audits)
        if longest is not None:
            return with_estimates(trials, self.scores(audits), longest, all_named(self.config.objectives))
        return with_combined(trials) if self.config.evaluator == "combined" else trials

    def _source(self, trial: FrozenTrial) -> Path:
        """The folder of the trial whose network this one has, where it is a repeat."""
        return self.trial_folder(trial.user_attrs.get("repeats", trial.number))

    def _limits(self, searched: bool) -> dict[str, float]:
        """The limits of everything but the latency; on a target that was added later, of what is the same on all."""
        return {n: limit for n, limit in self.config.other_limits.items() if searched or not named(n).per_target}

    def _record(self, name: str, frozen: list[FrozenTrial], audits: bool = True) -> StudyRecord:
        names, profile = self.targets, self.profiles()[name]
        index = names.index(name)
        limit_ms = dict(enumerate(self.config.limits_ms)).get(index)
        limits = self._limits(index < len(self.config.hw))
        trials = self._estimated(name, frozen, audits)
        environment = self.environment()
        for trial in trials:
            if trial.state == "complete" and trial.latency is None:
                lost = self.latency_path(trial.number if trial.repeats is None else trial.repeats, name)
                raise UsageError(f"{lost}: missing or broken; the study cannot say how this latency was measured")
        objectives = all_named(self.config.objectives)
        complete = [trial for trial in trials if trial.state == "complete"]
        points = [point(trial, objectives) for trial in complete]
        epoch = current_epoch(self.folder, name)
        growth = Growth(
            frozen,
            dict(zip([trial.number for trial in complete], points, strict=True)),
            environment.get("bicubic_psnr_db"),
            limits | ({} if limit_ms is None else {LATENCY.name: limit_ms}),
            epoch.reference_ms if epoch else None,
            objectives,
        )
        return StudyRecord(
            name=self.folder.name,
            study_dir=str(self.folder),
            target=name,
            target_title=str(profile.get("title", name)),
            hw=self.hw(name),
            profile=profile,
            targets=names,
            objectives=self.config.objectives,
            max_latency_ms=limit_ms,
            limits=limits,
            config=self.config.model_dump(mode="json"),
            environment=environment,
            trials=tuple(trials),
            front=tuple(complete[index].number for index in pareto_front(points, maximised(objectives))),
            hypervolume_reference=growth.reference,
            hypervolume_history=growth.history,
            baselines=self._baselines(name),
            audit=self._audit(name) if audits else None,
        )

    def keep_audit(self, audit: Audit) -> None:
        """Keeps what an audit found on its target; an earlier one there is replaced, its trainings are kept."""
        write_json(self._audit_path(audit.target), audit.model_dump(mode="json"))

    def _audit(self, target: str) -> Audit | None:
        """The audit on a target; None where there is none or its file is broken."""
        try:
            return Audit.model_validate_json(self._audit_path(target).read_bytes())
        except (OSError, ValidationError):
            return None

    def _audit_path(self, target: str) -> Path:
        return self.folder / (AUDIT if target == self.targets[0] else f"audit-{target}.json")

    def add_baseline(self, baseline: Baseline) -> None:
        """Keeps a network from elsewhere to compare the front on its latency's target with."""
        name = f"{baseline.file_digest}-{baseline.latency.target}.json"
        write_json(self.folder / BASELINES / name, baseline.model_dump(mode="json"))

    def _baselines(self, target: str) -> tuple[Baseline, ...]:
        folders = (self.folder / BASELINES, self.folder / "competitors")  # the latter as version 0.1 called it
        files = [path for folder in folders for path in folder.glob("*.json")]
        found = [Baseline.model_validate_json(path.read_bytes()) for path in files]
        return tuple(sorted((each for each in found if each.latency.target == target), key=lambda each: each.name))


def _frozen_config(path: Path) -> StudyConfig:
    """A study's config as it began: a field that its version did not have yet is what that version did."""
    config = read_yaml(path, StudyConfig)
    before = {name: value for name, value in _BEFORE.items() if name not in config.model_fields_set}
    return config.model_copy(update=before)


def _interrupted(failed: FrozenTrial) -> FrozenTrial:
    reason = f"given back to be tried again; it failed: {failed.user_attrs.get('reason', '')}"
    taken_back = copy.copy(failed)
    taken_back.user_attrs = {**failed.user_attrs, "state": "interrupted", "reason": reason}
    return taken_back


def study_folder(study: str, root: Path) -> Path:
    """A study by name under `root`, or by the path of its folder."""
    path = Path(study)
    if path.name in ("", ".."):  # a study's name is that of its folder
        path = Path(os.path.abspath(path))
    if path.is_absolute() or "/" in study:
        return path
    named = root / study
    return path if StudyStore.exists(path) and not StudyStore.exists(named) else named


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
