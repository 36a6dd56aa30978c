"""What stands at the top of the page: the networks worth shipping, and the facts of the study beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from nas_sr.latency_wording import LatencyText, worded
from nas_sr.objectives import DEFAULT, LATENCY, PSNR, Objective, named
from nas_sr.quantities import duration, milliseconds, plural
from nas_sr.records import State, StudyRecord, TrialRecord
from nas_sr.report.data.latencies import measurements
from nas_sr.report.data.trial_info import export_command, further, knee_of

STATES = get_args(State)
ROLES = {"knee": "Best compromise (knee)", "fastest": "Fastest", "best": "Highest PSNR"}
MOST_NOTES = 2  # on a card


class Pick(NamedTuple):
    """A network worth shipping, what makes it so, and the command that exports it."""

    roles: tuple[str, ...]  # of "knee", "fastest", "best"; of a further objective its name, where it is best in that
    trial: TrialRecord
    command: str
    further: tuple[str, ...]  # its values of what the study trades or limits besides what every card has

    @property
    def title(self) -> str:
        """Its roles."""
        return " · ".join(map(_role, self.roles))

    @property
    def latency(self) -> LatencyText:
        """In words; of its notes no more than a card has room for."""
        assert self.trial.latency is not None  # it is on the front
        text = worded(self.trial.latency)
        if text.kind == "predicted":
            outside = getattr(self.trial.latency, "outside", None)
            return text._replace(notes=(outside,) if outside else ())
        more = len(text.notes) - MOST_NOTES
        rest = (f"and {more} more, in the table of trials",) if more > 0 else ()
        return text._replace(notes=(*text.notes[:MOST_NOTES], *rest), engine="")


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

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The facts beside the picks, as (what, value)."""
        states = ", ".join(f"{count} {state}" for state, count in self.states) or "none yet"
        repeats = f"; {plural(self.repeats, 'repeat')} of an earlier network" if self.repeats else ""
        steps = "not recorded" if self.training_steps is None else f"{self.training_steps} steps a trial"
        further = [f"{each.title} {each.text(limit)}" for each, limit in self.limits]
        limit = "none" if self.max_latency_ms is None else milliseconds(self.max_latency_ms)
        hardware = self.hardware if self.processor is None else f"{self.hardware} ({self.processor})"
        return [
            ("Hardware", hardware),
            ("Trials", states + repeats),
            ("Data", self.data),
            ("Training budget", steps),
            ("Latency limit", limit),
            *([("Other limits", ", ".join(further))] if further else []),
            ("Time spent", duration(self.total_seconds)),
        ]


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
    return tuple(_pick(study, study.trial(number), names) for number, names in roles.items())


def _pick(study: StudyRecord, trial: TrialRecord, roles: Sequence[str]) -> Pick:
    others = [each for each in further(study) if each.name not in ("params", "macs_g")]
    values = tuple(f"{each.title} {each.text(each.value(trial))}" for each in others)
    return Pick(tuple(roles), trial, export_command(study, None if "knee" in roles else trial.number), values)


def _first(front: Sequence[TrialRecord], objective: Objective) -> TrialRecord:
    """The best of a front in one objective; of equals the first."""
    return min(front, key=lambda trial: objective.excess(objective.value(trial) or 0.0, 0.0))


def _role(role: str) -> str:
    if role in ROLES:
        return ROLES[role]
    objective = named(role)
    return f"{'Most' if objective.maximise else 'Least'} {objective.title}"


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
