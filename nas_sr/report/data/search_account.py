"""What a search did besides finding its front: failures, rungs, where time went, and how far figures can be trusted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from nas_sr.command_line import command, studies_option
from nas_sr.quantities import duration, listed, milliseconds, percent, plural
from nas_sr.records import EVALUATED, StudyRecord
from nas_sr.report.data.facts import Facts
from nas_sr.report.data.latencies import measurements
from nas_sr.stages import read_stages

MOST_TRIALS = 12  # of a group that are named
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class Failure(NamedTuple):
    """Trials that ended without a PSNR for one reason, which may differ in its numbers."""

    state: str
    reason: str  # of the first of them
    trials: tuple[int, ...]

    @property
    def named(self) -> str:
        """Their numbers, of many the first."""
        more = len(self.trials) - MOST_TRIALS
        named = [*self.trials[:MOST_TRIALS], *([f"{more} more"] if more > 0 else [])]
        return listed(named)


class Rung(NamedTuple):
    """Trainings of one length, where promising candidates are trained further."""

    steps: int
    candidates: int
    seeds: int  # trainings from further seeds than the first
    failed: int
    best_db: float | None


class Spent(NamedTuple):
    """What all processes of a search together spent on one stage."""

    stage: str
    seconds: float
    share: float


def failures(study: StudyRecord) -> tuple[Failure, ...]:
    """Groups of trials that failed, were infeasible, pruned or interrupted, the largest first."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    first: dict[tuple[str, str], str] = {}
    for trial in study.trials:
        if trial.state not in ("complete", "running") and trial.repeats is None:
            key = (trial.state, _NUMBER.sub("0", trial.reason))
            groups[key].append(trial.number)
            first.setdefault(key, trial.reason or "no reason recorded")
    found = [Failure(key[0], first[key], tuple(trials)) for key, trials in groups.items()]
    return tuple(sorted(found, key=lambda one: -len(one.trials)))


def rungs(study: StudyRecord) -> tuple[Rung, ...]:
    """The lengths that candidates were trained to, the shortest first; empty without racing."""
    by_steps = defaultdict(list)
    for trial in study.trials:
        for score in trial.scores if trial.repeats is None else ():
            by_steps[score.steps].append((trial.number, score))
    found = []
    for steps, trained in sorted(by_steps.items()):
        psnrs = [score.psnr_db for _, score in trained if score.psnr_db is not None]
        found.append(
            Rung(
                steps,
                len({number for number, _ in trained}),
                sum(score.seed > 0 for _, score in trained),
                len(trained) - len(psnrs),
                max(psnrs, default=None),
            )
        )
    return tuple(found)


def seed_sd_db(study: StudyRecord) -> tuple[float, int] | None:
    """Standard deviation of one network's PSNR over seeds, and of how many trainings; None without a repetition."""
    groups = defaultdict(list)
    for trial in study.trials:
        for score in trial.scores if trial.repeats is None else ():
            if score.psnr_db is not None:
                groups[trial.number, score.steps].append(score.psnr_db)
    several = [np.array(values) for values in groups.values() if len(values) > 1]
    if not several:
        return None
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in several)
    return (squares / sum(len(values) - 1 for values in several)) ** 0.5, sum(map(len, several))


def time_spent(study: StudyRecord) -> tuple[Spent, ...]:
    """Where the time of the study's candidates went, the most first; empty where nothing was recorded."""
    seconds: dict[str, float] = defaultdict(float)
    for path in sorted((Path(study.study_dir) / "trials").glob("*/stages*.json")):
        found = read_stages(path)
        for stage in found.stages if found else ():
            seconds[stage.name] += max(0.0, stage.end_s - stage.start_s)
    total = sum(seconds.values())
    most = sorted(seconds.items(), key=lambda one: -one[1])
    return tuple(Spent(name, spent, spent / total) for name, spent in most if total)


def trust(study: StudyRecord) -> Facts:
    """How far the figures of a target can be relied on, as a table."""
    taken = list(measurements(study).values())
    rows: list[tuple[str, str]] = []
    if taken:
        stable = sum(one.stable for one in taken)
        rows.append(("stable measurements", f"{stable} of {len(taken)}"))
        again = [one.attempts for one in taken if one.attempts > 1]
        rows.append(("measured more than once", f"{plural(len(again), 'network')}, for a disturbance meanwhile"))
        references = [one.reference_latency_ms for one in taken if one.reference_ms]
        if references:
            middle = median(references)
            low, high = min(references), max(references)
            rows.append(
                (
                    "drift of the reference network",
                    f"{milliseconds(low)} to {milliseconds(high)}: {percent((high - low) / middle)} of its median",
                )
            )
        corrected = [abs(one.latency_ms / one.raw_latency_ms - 1) for one in taken if one.target_reference_ms]
        if corrected:
            rows.append(("largest correction for drift", percent(max(corrected))))
        runs = [one.run_spread for one in taken if one.run_spread is not None]
        if runs:
            rows.append(
                ("runs of one build differ by", f"{percent(median(runs))} in the median, at most {percent(max(runs))}")
            )
    noise = seed_sd_db(study)
    told = f"{noise[0]:.3f} dB (sd, {noise[1]} trainings)" if noise else "not known: one training a network"
    rows.append(("PSNR over seeds of one network", told))
    front = [trial for trial in map(study.trial, study.front) if trial.estimate]
    if front:
        sure = sum(trial.estimate.front_probability >= 0.5 for trial in front if trial.estimate)
        rows.append(("members of the front more likely on it than not", f"{sure} of {len(front)}"))
    return Facts("Trust", tuple(rows))


def spent_facts(found: Sequence[Spent]) -> Facts:
    """Where time went, as a table."""
    return Facts(
        "Where time went", tuple((one.stage, f"{duration(one.seconds)}, {percent(one.share)}") for one in found)
    )


def same_search(study: StudyRecord) -> str:
    """The command that repeats the search under another name."""
    budget = sum(trial.state in EVALUATED and trial.repeats is None for trial in study.trials)
    config = Path(study.study_dir) / "study.yaml"
    return command(
        "search",
        options={
            "--config": config,
            "--name": f"{study.name}-again",
            **studies_option(study.study_dir),
            "--budget": max(1, budget),
        },
    )
