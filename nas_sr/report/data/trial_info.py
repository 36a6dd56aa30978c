"""A trial as table, hover and charts show it, worked out once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nas_sr.command_line import Value, command, studies_option
from nas_sr.families.registry import NAMES
from nas_sr.latency_wording import LatencyText, worded
from nas_sr.objectives import DEFAULT, Objective, named
from nas_sr.records import StudyRecord, TrialRecord

PRESET_PREFIX = "imdeception-"  # a chart leaves it out


class TrialInfo(NamedTuple):
    """One trial on one target."""

    record: TrialRecord
    place: str  # "knee", "front" or nothing
    latency: LatencyText | None  # exact
    further: tuple[tuple[Objective, float | None], ...]  # its values of what the study trades or limits besides
    notes: str
    command: str  # that exports it; nothing unless it is complete

    @property
    def where(self) -> str:
        """`on the Pareto front`, or its state."""
        return "on the Pareto front" if self.place else self.record.state


def trial_infos(study: StudyRecord) -> dict[int, TrialInfo]:
    """Every trial, by number and in order."""
    places = dict.fromkeys(study.front, "front")
    if study.front:
        places[knee_of(study).number] = "knee"
    objectives = further(study)
    return {
        trial.number: TrialInfo(
            record=trial,
            place=places.get(trial.number, ""),
            latency=worded(trial.latency, exact=True) if trial.latency else None,
            further=tuple((each, each.value(trial)) for each in objectives),
            notes=notes(trial),
            command=export_command(study, trial.number) if trial.state == "complete" else "",
        )
        for trial in study.trials
    }


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
    if trial.estimate:
        parts.append(f"{trial.estimate}; on the front with probability {trial.estimate.front_probability:.2f}")
    if trial.repeats is not None:
        parts.append(f"same network as trial {trial.repeats}")
    return "; ".join(parts)


def without_prefix(preset: str) -> str:
    """A preset's name short enough for a chart."""
    return preset.removeprefix(PRESET_PREFIX)
