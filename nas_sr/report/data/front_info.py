"""The points of the Pareto chart, and what stands between them and a front that is all measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nas_sr.command_line import DEFAULT_REPORTS, command, reports_option, studies_option
from nas_sr.latency_wording import is_unstable
from nas_sr.objectives import DEFAULT, LATENCY, OBJECTIVES, PSNR, Objective
from nas_sr.records import EVALUATED, Baseline, StudyRecord, TrialRecord
from nas_sr.report.data.headline import number_or_none
from nas_sr.report.data.latencies import measurements, predictions, shared_labels
from nas_sr.report.data.trial_info import TrialInfo, further, trial_infos


class Point(NamedTuple):
    """A trial in the plane of PSNR and latency; `psnr_db` is None where it was timed but not trained to the end."""

    trial: int
    state: str
    psnr_db: float | None
    latency_ms: float
    low_ms: float  # p5 of the samples, or the beginning of the predicted interval
    high_ms: float  # p95, or its end
    kind: str  # "measured" or "predicted"
    unstable: bool
    preset: str | None
    on_front: bool
    sd_db: float | None  # of the PSNR, where the study's racing estimates it
    front_probability: float | None  # of being on the true front, likewise


class OtherFront(NamedTuple):
    """The front of another target of the study, or of another study, to lay over the chart."""

    name: str
    points: tuple[Point, ...]
    trials: Mapping[int, TrialInfo]
    is_staircase: bool
    of_other_study: bool


@dataclass(frozen=True)
class FrontInfo:
    """The points of the Pareto chart. Repeats of an earlier trial are left out: they lie on top of it."""

    target: str
    names_target: bool  # whether there are others, so that axes must name it
    axes: tuple[Objective, ...]  # what can be shown against each other: what the study trades first
    trials: Mapping[int, TrialInfo]
    front: tuple[Point, ...]  # fastest first
    is_staircase: bool  # whether PSNR and latency are all that it trades, so that each slower point is a better one
    dominated: tuple[Point, ...]
    without_psnr: tuple[Point, ...]
    knee: Point | None
    baselines: tuple[Baseline, ...]  # for comparison: never on the front
    bicubic_psnr_db: float | None
    max_latency_ms: float | None
    limits: Mapping[str, float]  # of everything else, by objective
    others: tuple[OtherFront, ...]
    reference_ms: tuple[float, float] | None  # fastest and slowest that the reference network was, over the trials

    @property
    def points(self) -> tuple[Point, ...]:
        """Every trial that has both objectives."""
        return self.front + self.dominated

    @property
    def families(self) -> dict[int, str]:
        """The family of every trial's network."""
        return {number: trial.record.spec.family for number, trial in self.trials.items()}

    def count(self, kind: str) -> int:
        """Number of trials' latencies of one kind, with and without a PSNR."""
        return sum(point.kind == kind for point in self.points + self.without_psnr)

    @property
    def anything_predicted(self) -> bool:
        """Whether there is a latency in the chart that nobody measured, so that every mark must say its kind."""
        return self.count("predicted") > 0 or any(each.latency.kind == "predicted" for each in self.baselines)

    @property
    def unstable(self) -> int:
        """Number of latencies that were measured and were not stable."""
        return sum(point.unstable for point in self.points + self.without_psnr)


class Unmeasured(NamedTuple):
    """Trials on the front whose latency is only predicted, why, and the command that measures them."""

    trials: tuple[int, ...]
    labels: tuple[str, ...]  # of their predictions: those of all, then those of one, which is named
    command: str


def front_info(study: StudyRecord, others: Sequence[StudyRecord] = ()) -> FrontInfo:
    """The points of the Pareto chart.

    Args:
        study: on one target.
        others: the same study on other targets, or others on any, whose fronts can be laid over it.
    """
    first = {trial.number: trial for trial in study.trials if trial.repeats is None}
    shown = [trial for trial in study.trials if trial.repeats not in first or trial.number in study.front]
    points = {trial.number: point for trial in shown if (point := _point(study, trial))}
    trials = trial_infos(study)
    knee = next((number for number, trial in trials.items() if trial.place == "knee"), None)
    front = tuple(points[number] for number in study.front if number in points)
    axes = dict.fromkeys((*study.traded, LATENCY, *further(study), *_known(study)))
    return FrontInfo(
        target=study.target,
        names_target=len(study.targets) > 1,
        axes=tuple(each for each in axes if each is not PSNR),
        trials=trials,
        front=front,
        is_staircase=study.traded == DEFAULT,
        dominated=tuple(p for p in points.values() if p.psnr_db is not None and not p.on_front),
        without_psnr=tuple(p for p in points.values() if p.psnr_db is None),
        knee=points.get(knee) if knee is not None else None,
        baselines=study.baselines,
        bicubic_psnr_db=number_or_none(study.environment.get("bicubic_psnr_db")),
        max_latency_ms=study.max_latency_ms,
        limits=study.limits,
        others=tuple(_other_front(study, other) for other in others if other.front),
        reference_ms=_reference_ms(study),
    )


def unmeasured(study: StudyRecord, reports: Path = DEFAULT_REPORTS) -> Unmeasured | None:
    """What of the front is only predicted; None where all of it was measured.

    The command measures and searches no further: its budget is what the study has evaluated already. Its report goes
    into `reports`.
    """
    found = predictions(study)
    trials = tuple(sorted(number for number in study.front if number in found))
    if not trials:
        return None
    shared = shared_labels([found[number] for number in trials])
    own = [f"trial {number}: {label}" for number in trials for label in found[number].labels if label not in shared]
    return Unmeasured(trials, (*shared, *own), _measuring_command(study, reports))


def _measuring_command(study: StudyRecord, reports: Path) -> str:
    where = {**studies_option(study.study_dir), **reports_option(reports)}
    if study.target not in study.targets[: len(study.config.get("hw", ()))]:
        return command("retarget", study.name, options={**where, "--hw": study.hw})
    evaluated = {trial.number for trial in study.trials if trial.state in EVALUATED and trial.repeats is None}
    return command("search", options={"--name": study.name, **where, "--budget": len(evaluated)})


def _other_front(study: StudyRecord, other: StudyRecord) -> OtherFront:
    is_other_study = (other.name, other.study_dir) != (study.name, study.study_dir)
    where = f" on {other.target}" if other.target != study.target else ""
    return OtherFront(
        f"Front of {other.name}{where}" if is_other_study else f"Front{where}",
        tuple(point for number in other.front if (point := _point(other, other.trial(number)))),
        trial_infos(other),
        other.traded == DEFAULT,
        is_other_study,
    )


def _known(study: StudyRecord) -> list[Objective]:
    """What every member of a front has a value of."""
    front = [study.trial(number) for number in study.front]
    return [each for each in OBJECTIVES.values() if front and all(each.value(one) is not None for one in front)]


def _reference_ms(study: StudyRecord) -> tuple[float, float] | None:
    medians = [one.reference_latency_ms for one in measurements(study).values() if one.reference_ms]
    return (min(medians), max(medians)) if medians else None


def _point(study: StudyRecord, trial: TrialRecord) -> Point | None:
    latency = trial.latency
    if latency is None:
        return None
    # A PSNR of a training that was cut short is not comparable with the others.
    psnr_db = number_or_none(trial.psnr_db) if trial.state == "complete" else None
    return Point(
        trial=trial.number,
        state=trial.state,
        psnr_db=psnr_db,
        latency_ms=latency.latency_ms,
        low_ms=latency.low_ms,
        high_ms=latency.high_ms,
        kind=latency.kind,
        unstable=is_unstable(latency),
        preset=trial.preset,
        on_front=trial.number in study.front,
        sd_db=trial.estimate.sd_db if trial.estimate and psnr_db is not None else None,
        front_probability=trial.estimate.front_probability if trial.estimate and psnr_db is not None else None,
    )
