"""Which network for which limit: what the page's first part knows, and how sure the study is of it.

The page chooses as `nas-sr export` does (see nas_sr.export.choose): from the front, the best PSNR within the limits; of
a limit on PSNR and none on latency the fastest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from nas_sr.command_line import command, studies_option
from nas_sr.latency_wording import LatencyText, setup, worded
from nas_sr.objectives import LATENCY, OBJECTIVES, PSNR, Objective
from nas_sr.quantities import listed
from nas_sr.records import StudyRecord, TrialRecord
from nas_sr.report.data.diagram import Diagram, diagram
from nas_sr.report.data.trial_info import export_command, knee_of

SEEDS_DB = 0.03  # how far apart two trainings of one network with different seeds were: docs/results.md
STEPS = 200  # of a slider


class Limit(NamedTuple):
    """An objective that can be limited, and the slider for it: from below the front's least value to above its most."""

    objective: Objective
    low: float
    high: float
    step: float


class Choice(NamedTuple):
    """A complete trial with its value of each objective that can be limited."""

    trial: int
    values: dict[str, float]
    texts: dict[str, str]
    ties: tuple[int, ...]  # members of the front whose PSNR the study cannot tell from this one's


class Card(NamedTuple):
    """What is shown of a chosen network."""

    trial: TrialRecord
    psnr_error: str
    latency: LatencyText
    setup: str
    values: tuple[tuple[str, str], ...]  # of what else is known, as (what, value)
    commands: tuple[tuple[str, str], ...]  # (what for, command)
    diagram: Diagram


class Decision(NamedTuple):
    """What there is to choose from on one target."""

    limits: tuple[Limit, ...]  # latency first
    choices: tuple[Choice, ...]  # the front, in its order
    others: tuple[Choice, ...]  # complete trials off the front, repeats left out
    knee: int
    tied: str  # why members of the front are not told apart, to stand behind their names

    def as_json(self) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "limits": [
                {"name": each.name, "title": each.title, "axis": each.axis, "maximise": each.maximise}
                for each in (limit.objective for limit in self.limits)
            ],
            "choices": [each._asdict() for each in self.choices],
            "others": [each._asdict() for each in self.others],
            "knee": self.knee,
            "tied": self.tied,
        }


def decision(study: StudyRecord) -> Decision | None:
    """None of a study whose front is empty."""
    front = [study.trial(number) for number in study.front]
    if not front:
        return None
    others = [
        trial
        for trial in study.trials
        if trial.state == "complete" and trial.repeats is None and trial.number not in study.front
        if _value(PSNR, trial) is not None
    ]
    known = dict.fromkeys((LATENCY, *OBJECTIVES.values()))
    objectives = [each for each in known if all(_value(each, trial) is not None for trial in front)]
    estimated = any(trial.estimate for trial in front)
    return Decision(
        limits=tuple(_limit(each, [each.value(trial) or 0.0 for trial in front]) for each in objectives),
        choices=tuple(_choice(trial, objectives, _ties(trial, front)) for trial in front),
        others=tuple(_choice(trial, objectives, (), (PSNR, LATENCY)) for trial in others),
        knee=knee_of(study).number,
        tied=(
            "all trainings of this study together do not tell them apart"
            if estimated
            else f"one training each, and two seeds of one network differ by {SEEDS_DB:g} dB"
        ),
    )


def cards(study: StudyRecord) -> tuple[Card, ...]:
    """One for each member of the front, in its order."""
    return tuple(_card(study, study.trial(number)) for number in study.front)


def psnr_error(trial: TrialRecord) -> str:
    """How far a trial's PSNR is to be relied on, as far as its study tells."""
    if trial.estimate:
        seeds = len({score.seed for score in trial.scores if score.psnr_db is not None})
        from_seeds = f", {seeds} of its own seeds among them" if seeds > 1 else ""
        return (
            f"± {trial.estimate.sd_db:.3f} dB against the other candidates after {trial.estimate.steps:,} steps, from"
            f" all trainings{from_seeds}; on the true front with probability {trial.estimate.front_probability:.2f}"
        )
    return f"one training from one seed, so its error is not known; two seeds of one network differ by {SEEDS_DB:g} dB"


def _card(study: StudyRecord, trial: TrialRecord) -> Card:
    shown = [each for each in OBJECTIVES.values() if each not in (PSNR, LATENCY)]
    values = [(each.heading, each.text(value)) for each in shown if (value := _value(each, trial)) is not None]
    if trial.latency is None:  # its file is lost
        text = LatencyText(LATENCY.text(trial.latency_ms), "", "", "", "", "", "", "", "", ())
    else:
        text = worded(trial.latency, exact=True)
    number = trial.number if trial.repeats is None else trial.repeats
    network = f"{study.name}:{number}"
    where = studies_option(study.study_dir)
    return Card(
        trial=trial,
        psnr_error=psnr_error(trial),
        latency=text,
        setup=setup(trial.latency) if trial.latency else "",
        values=tuple(values),
        commands=(
            ("Export", export_command(study, trial.number)),
            ("Train fully", command("train", f"bundles/{study.name}-{number}")),
            ("Measure again", command("measure", network, options={**where, "--hw": study.hw, "--final": True})),
        ),
        diagram=diagram(trial.spec),
    )


def _value(objective: Objective, trial: TrialRecord) -> float | None:
    """A value that is a number."""
    value = objective.value(trial)
    return value if value is not None and math.isfinite(value) else None


def _choice(
    trial: TrialRecord,
    objectives: Sequence[Objective],
    ties: tuple[int, ...],
    in_words: Sequence[Objective] = tuple(OBJECTIVES.values()),
) -> Choice:
    values = {each.name: value for each in objectives if (value := _value(each, trial)) is not None}
    texts = {each.name: each.text(values[each.name]) for each in objectives if each in in_words and each.name in values}
    return Choice(trial.number, values, texts, ties)


def _ties(trial: TrialRecord, front: Sequence[TrialRecord]) -> tuple[int, ...]:
    numbers = {each.number for each in front}
    if trial.estimate:
        return tuple(sorted(numbers & set(trial.estimate.ties)))
    psnr_db = trial.psnr_db or 0.0
    near = [each for each in front if abs((each.psnr_db or 0.0) - psnr_db) <= SEEDS_DB]
    return tuple(sorted(each.number for each in near if each is not trial))


def _limit(objective: Objective, values: Sequence[float]) -> Limit:
    """Ends on a step on either side, so that the slider reaches nothing and everything."""
    span = (max(values) - min(values)) or abs(max(values)) or 1.0
    step = 10.0 ** math.floor(math.log10(span / STEPS * 2))
    low, high = math.floor(min(values) / step) - 1, math.ceil(max(values) / step) + 1
    return Limit(objective, round(low * step, 12), round(high * step, 12), step)


def tied_sentence(trials: Sequence[int], why: str) -> str:
    """Names of networks that are equal as far as a study can tell."""
    return f"Trials {listed(sorted(trials))} are equal in PSNR as far as this study can tell: {why}."
