"""What a report shows, as plain values computed from a study's record: every chart and sentence reads from here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from nas_sr.command_line import Value, command, studies_option
from nas_sr.families.registry import NAMES
from nas_sr.objectives import DEFAULT, LATENCY, PSNR, Objective, named
from nas_sr.records import State, StudyRecord, TrialRecord
from nas_sr.report.latencies import measurements

STATES = get_args(State)
PRESET_PREFIX = "imdeception-"  # a chart leaves it out


class Pick(NamedTuple):
    """A network worth shipping, what makes it so, and the command that exports it."""

    roles: tuple[str, ...]  # of "knee", "fastest", "best"; of a further objective its name, where it is best in that
    trial: TrialRecord
    command: str


class Curve(NamedTuple):
    """Validation PSNR over the training steps of one trial."""

    trial: int
    on_front: bool  # of any target
    steps: tuple[int, ...]
    psnr_db: tuple[float, ...]


class Importance(NamedTuple):
    """How much of each objective's variation one parameter explains, objective -> share."""

    parameter: str
    shares: dict[str, float]


@dataclass(frozen=True)
class Headline:
    """The facts at the top of the page."""

    study: str
    hardware: str
    processor: str | None  # model of the CPU that was timed, where the title does not name it
    states: tuple[tuple[str, int], ...]  # states that occur, in the order of STATES
    repeats: int  # trials whose network an earlier one had
    data: str  # what it was trained and validated on
    max_latency_ms: float | None
    limits: tuple[tuple[Objective, float], ...]  # of everything else
    training_steps: int | None
    total_seconds: float
    picks: tuple[Pick, ...]  # knee, fastest, best; one pick where they coincide; none without a complete trial


def headline(study: StudyRecord) -> Headline:
    """The facts at the top of the page."""
    states = Counter(trial.state for trial in study.trials)
    return Headline(
        study=study.name,
        hardware=study.target_title,
        processor=_processor(study),
        states=tuple((state, states[state]) for state in STATES if states[state]),
        repeats=sum(trial.repeats is not None for trial in study.trials),
        data=str(_within(study.environment, "data", "description") or "not recorded"),
        max_latency_ms=study.max_latency_ms,
        limits=tuple((named(name), limit) for name, limit in study.limits.items()),
        training_steps=_training_steps(study.config),
        total_seconds=sum(trial.seconds or 0.0 for trial in study.trials),
        picks=picks(study),
    )


def _processor(study: StudyRecord) -> str | None:
    """A title such as "this machine's CPU" means nothing once the report has left the machine."""
    found = {str(latency.machine.get("cpu") or "") for latency in measurements(study).values()}
    name = found.pop() if len(found) == 1 else ""
    title = study.target_title
    return name if name and "CPU" in title and name not in title else None


def picks(study: StudyRecord) -> tuple[Pick, ...]:
    """Knee, fastest, best, and the best in each further objective; a trial that is several of them appears once, with
    all its roles."""
    front = [study.trial(number) for number in study.front]
    if not front:
        return ()
    roles: dict[int, list[str]] = {}
    chosen = [("knee", knee_of(study)), ("fastest", _first(front, LATENCY)), ("best", _first(front, PSNR))]
    traded = [each for each in study.traded if each not in DEFAULT]
    for role, trial in (*chosen, *((each.name, _first(front, each)) for each in traded)):
        roles.setdefault(trial.number, []).append(role)
    return tuple(
        Pick(tuple(names), study.trial(number), export_command(study, None if "knee" in names else number))
        for number, names in roles.items()
    )


def _first(front: Sequence[TrialRecord], objective: Objective) -> TrialRecord:
    """The best of a front in one objective; of equals the first."""
    return min(front, key=lambda trial: objective.excess(objective.value(trial) or 0.0, 0.0))


def further(study: StudyRecord) -> tuple[Objective, ...]:
    """What a study trades or limits besides PSNR and latency, which every report shows."""
    wanted = (*study.traded, *map(named, study.limits))
    return tuple(each for each in dict.fromkeys(wanted) if each not in DEFAULT)


def knee_of(study: StudyRecord) -> TrialRecord:
    """The trial at the knee of a front that is not empty."""
    return study.at_knee([study.trial(number) for number in study.front])


def export_command(study: StudyRecord, trial: int | None) -> str:
    """The command that exports a trial, or the knee where `trial` is None; safe to paste into a shell."""
    which: dict[str, Value] = {"--knee": True} if trial is None else {"--trial": trial}
    # Without --hw it is the study's first target whose knee and latency count.
    target = study.target if study.target != study.targets[0] else None
    return command("export", study.name, options={**studies_option(study.study_dir), **which, "--hw": target})


def curves(studies: Sequence[StudyRecord]) -> tuple[Curve, ...]:
    """Training curves in trial order, the same on every target; trials without a validation are left out."""
    on_front = {number for study in studies for number in study.front}
    found = []
    for trial in studies[0].trials:
        finite = [point for point in trial.curve if math.isfinite(point.psnr_db)]
        if finite:
            steps = tuple(point.step for point in finite)
            psnr_db = tuple(point.psnr_db for point in finite)
            found.append(Curve(trial.number, trial.number in on_front, steps, psnr_db))
    return tuple(found)


def knees(studies: Sequence[StudyRecord]) -> dict[int, tuple[str, ...]]:
    """Trials at the knee of a front, each with the targets whose knee it is."""
    found: dict[int, tuple[str, ...]] = {}
    for study in studies:
        if study.front:
            number = knee_of(study).number
            found[number] = (*found.get(number, ()), study.target)
    return found


def importances(study: StudyRecord) -> tuple[Importance, ...]:
    """Parameters with their shares, the most important for any objective first; empty with too few trials."""
    parameters = {name for shares in study.importances.values() for name in shares}
    found = [
        Importance(
            parameter, {objective: shares.get(parameter, 0.0) for objective, shares in study.importances.items()}
        )
        for parameter in parameters
    ]
    return tuple(sorted(found, key=lambda one: (-max(one.shares.values()), one.parameter)))


def families_of(studies: Sequence[StudyRecord]) -> list[str]:
    """The families that networks of these studies are of, in the order that they are registered in."""
    there = {trial.spec.family for study in studies for trial in study.trials}
    return [name for name in NAMES if name in there]


def reason(trial: TrialRecord) -> str:
    """Why a trial ended as it did; nothing of a complete one, whose latency's labels say what must be known."""
    return "" if trial.state == "complete" else trial.reason


def notes(trial: TrialRecord) -> str:
    """Why a trial ended as it did and what its latency's reader must know, in one line."""
    parts = [text] if (text := reason(trial)) else []
    parts += trial.latency.labels if trial.latency else ()
    if trial.repeats is not None:
        parts.append(f"same network as trial {trial.repeats}")
    return "; ".join(parts)


def without_prefix(preset: str) -> str:
    """A preset's name short enough for a chart."""
    return preset.removeprefix(PRESET_PREFIX)


def _within(value: dict[str, Any], *keys: str) -> Any:
    found: Any = value
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def number_or_none(value: Any) -> float | None:
    """A number that is finite, as it may stand in a config or an environment; None for anything else."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _training_steps(config: dict[str, Any]) -> int | None:
    phases: Sequence[Any] = _within(config, "training", "phases") or ()
    steps = [phase.get("steps") for phase in phases if isinstance(phase, dict)]
    known = [step for step in steps if isinstance(step, int)]
    return sum(known) if known and len(known) == len(steps) else None
