"""Regret against training compute: one way of searching, replayed from many seeds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas_sr.benchmark.regret import Judge, Truth, long_truth
from nas_sr.benchmark.replay import Answers, Moment, RecordedSpace, replay, search_config
from nas_sr.benchmark.table import Table
from nas_sr.config import Racing
from nas_sr.space import read_spaces


class Way(NamedTuple):
    """A way of searching: what `nas-sr search` can be told."""

    sampler: str = "tpe"
    steps: int = 800  # of a candidate's training; the first rung
    rungs: tuple[int, ...] = ()  # all of them, with racing
    seeds: int = 2  # most of one candidate, with racing
    evaluator: str = "scratch"
    budget: int = 200  # candidates
    budget_steps: int | None = None  # in all, with racing


class CurvePoint(NamedTuple):
    """What a search was worth after so many training steps."""

    steps: int
    seconds: float  # of processor time, as recorded
    candidates: int
    regret_db: float
    hypervolume: float  # of the true PSNRs of its front, as a share of the whole's


class Replays:
    """Replays of ways on one table, target and set of networks."""

    def __init__(self, table: Table, target: str, truth: Truth | None = None, only: frozenset[str] | None = None):
        """
        Args:
            table: the recorded benchmark.
            target: name of the hardware profile whose latencies are traded.
            truth: PSNR after long training; None: worked out.
            only: digests of the networks that there are; None: all that a way can be answered for.
        """
        if only is not None:
            rows = [row for row in table.rows.values() if row.digest in only]
            specs = [spec for digest, spec in table.specs.items() if digest in only]
            latencies = [row for row in table.latencies.values() if row.digest in only]
            table = Table(table.about, specs, rows, latencies)
        self.table, self.target, self.truth = table, target, truth or long_truth(table)

    def curve(self, way: Way, repetition: int, at: Sequence[int]) -> list[CurvePoint]:
        """One search; what it was worth when it had trained so many steps, and at its end.

        Args:
            way: how it searches.
            repetition: seed of the sampler, and which recorded seeds answer.
            at: numbers of steps, growing.
        """
        racing = Racing(rungs=way.rungs, seeds=way.seeds) if way.rungs else None
        config = search_config(self.table.about.protocol, way.sampler, repetition, way.steps, racing, way.evaluator)
        answers = Answers(self.table, self.target, config, self._seeds(way, repetition))
        judge = self.judge(tuple(answers.specs))
        waiting, found, last = list(at), [], None
        for moment in replay(answers, self._space(tuple(answers.specs)), way.budget, way.budget_steps):
            last = moment
            if waiting and moment.steps >= waiting[0]:
                waiting = [steps for steps in waiting if steps > moment.steps]
                found.append(_point(judge, moment))
        if last is not None and (not found or found[-1].steps < last.steps):
            found.append(_point(judge, last))
        return found

    def judge(self, digests: tuple[str, ...]) -> Judge:
        """Judges choices among these networks."""
        latencies = {digest: self.table.latency(digest, self.target).relative_latency or 0.0 for digest in digests}
        return Judge({digest: self.truth.mean_db[digest] for digest in digests}, latencies)

    def _seeds(self, way: Way, repetition: int) -> tuple[int, ...]:
        """The recorded seeds, beginning with another one in each repetition: the first is that of candidates."""
        if way.evaluator == "supernet":
            return (0,)
        protocol = self.table.about.protocol
        seeds = protocol.seeds if (way.rungs or (way.steps,))[-1] in protocol.steps else protocol.long_seeds
        return tuple(seeds[(place + repetition) % len(seeds)] for place in range(len(seeds)))

    @functools.lru_cache(maxsize=8)  # noqa: B019 - there are few of these objects, and they live as long as the process
    def _space(self, digests: tuple[str, ...]) -> RecordedSpace:
        return RecordedSpace(
            read_spaces(tuple(self.table.about.protocol.spaces)), [self.table.specs[digest] for digest in digests]
        )


class Band(NamedTuple):
    """Repetitions of one way after about so many steps: mean and the middle nine of ten."""

    steps: int
    seconds: float
    regret_db: float
    low_db: float
    high_db: float
    hypervolume: float


def bands(curves: Sequence[Sequence[CurvePoint]], at: Sequence[int]) -> list[Band]:
    """Of several repetitions at these numbers of steps: each at its last point until then; those that have none yet
    leave the band out."""
    found = []
    for steps in at:
        points = [[point for point in curve if point.steps <= steps * 1.02] for curve in curves]
        if all(points):
            last = [each[-1] for each in points]
            regrets = [point.regret_db for point in last]
            low, high = np.quantile(regrets, (0.05, 0.95))
            found.append(
                Band(
                    round(float(np.mean([point.steps for point in last]))),
                    float(np.mean([point.seconds for point in last])),
                    float(np.mean(regrets)),
                    float(low),
                    float(high),
                    float(np.mean([point.hypervolume for point in last])),
                )
            )
    return found


def _point(judge: Judge, moment: Moment) -> CurvePoint:
    believed = moment.study.believed()
    regret_db, share = judge.regret_db(believed), judge.hypervolume_share(believed)
    return CurvePoint(moment.steps, round(moment.seconds, 1), moment.candidates, regret_db, share)
