"""A search by the product's own samplers, proposals and racing, whose trainings are looked up in a recorded benchmark.

Nothing is trained or measured: the clock is that of the recorded trainings, the seeds are the recorded ones. A sampler
proposes from the whole search space; its proposal stands for the recorded network of the same family that is nearest in
the logarithms of multiply-accumulates, activations, parameters and the number of convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import Trial

from nas_sr.benchmark.protocol import Protocol
from nas_sr.benchmark.table import Start, Table
from nas_sr.config import Racing, StudyConfig
from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.objectives import all_named
from nas_sr.records import Score, TrialRecord
from nas_sr.search.estimates import with_estimates
from nas_sr.search.fidelity import structure
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.race import Race, steps_to_do
from nas_sr.search.samplers import sampler
from nas_sr.search.store import StudyStore
from nas_sr.space import Params, SearchSpace
from nas_sr.train.rungs import at_rung


class Answers:
    """The part of a table that answers one kind of search: networks with all trainings that it may ask for."""

    def __init__(self, table: Table, target: str, config: StudyConfig, seeds: Sequence[int]) -> None:
        """
        Args:
            table: the recorded benchmark.
            target: name of the hardware profile whose latencies are traded.
            config: of the search; its evaluator says where trainings start.
            seeds: of the recorded trainings, by the search's: the first is that of its candidates.

        Raises:
            UsageError: no network of the table has all that is needed; says what is.
        """
        self.table, self.config, self._seeds = table, config, tuple(seeds)
        self.start: Start = "scratch" if config.evaluator == "scratch" else "supernet"
        self.first_steps = 0 if config.evaluator == "supernet" else config.training.steps
        rungs = config.racing.rungs if config.racing else (self.first_steps,)
        needed = [(self._seeds[0], rungs[0])]
        if config.racing:
            if config.racing.seeds > len(seeds):
                raise UsageError(f"racing with {config.racing.seeds} seeds needs as many, but got {len(seeds)}")
            needed = [(seed, steps) for seed in self._seeds[: config.racing.seeds] for steps in rungs]
        self.specs: dict[str, Spec] = {}
        self.latencies_ms: dict[str, float] = {}
        for digest, spec in table.specs.items():
            rows = [table.rows.get((digest, self.start, seed, steps)) for seed, steps in needed]
            latency = table.latencies.get((digest, target))
            if all(row is not None for row in rows) and latency and latency.relative_latency is not None:
                self.specs[digest] = spec
                self.latencies_ms[digest] = latency.relative_latency
        if not self.specs:
            wanted = ", ".join(f"{steps} steps from seed {seed}" for seed, steps in needed)
            raise UsageError(f"no network of the table has trainings from {self.start} of {wanted} and {target}")

    def training(self, digest: str, seed: int, steps: int) -> tuple[float | None, float]:
        """PSNR [dB] of a training, None where it diverged, and milliseconds a step; `seed` is the search's."""
        row = self.table.rows[digest, self.start, self._seeds[seed], steps]
        return row.psnr_db, row.cpu_ms_per_step


class RecordedSpace:
    """A search space in which every network stands for the recorded one that is nearest to it."""

    def __init__(self, space: SearchSpace, specs: Sequence[Spec]) -> None:
        """
        Args:
            space: of the table.
            specs: networks that can be answered for.
        """
        self._space, self._specs = space, list(specs)
        logs = np.array([structure(spec) for spec in specs])
        self._mean, self._sd = logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-9)
        self._places = (logs - self._mean) / self._sd
        known = {spec.digest for spec in specs}
        self.scale = space.scale
        self.architectures = {digest: params for digest, params in space.architectures.items() if digest in known}

    def suggest(self, trial: Trial, ordered: bool = True) -> Params:
        """Lets a trial take up a value for every parameter of the whole space."""
        return self._space.suggest(trial, ordered)

    def as_drawn(self, params: Params, ordered: bool = True) -> Params:
        """Parameters as a sampler draws them."""
        return self._space.as_drawn(params, ordered)

    def spec(self, params: Params) -> Spec:
        """The recorded network that is nearest to that of a set of parameters.

        Raises:
            UsageError: these parameters cannot be built.
        """
        wanted = self._space.spec(params)
        place = (np.array(structure(wanted)) - self._mean) / self._sd
        distance = ((self._places - place) ** 2).sum(axis=1)
        distance[[spec.family != wanted.family for spec in self._specs]] = math.inf
        return self._specs[int(distance.argmin())]

    def presets(self) -> dict[str, Params]:
        """None: the table's networks are all alike."""
        return {}


class ReplayedStudy(StudyStore):
    """A study in memory: what a search reads and writes of its store, without a folder."""

    def __init__(self, config: StudyConfig) -> None:
        study = optuna.create_study(
            directions=[StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE], sampler=sampler(config, 0)
        )
        super().__init__(Path("replayed"), config, study)

    def wrongly_infeasible(self) -> set[int]:
        """None: nothing is ruled out."""
        return set()

    def estimated(self) -> list[list[TrialRecord]]:
        """The complete trials, with their estimates where there is racing."""
        scores = self.scores()
        trials = [
            TrialRecord(
                number=trial.number,
                state="complete",
                params={},
                spec=self.spec(trial),
                psnr_db=trial.values[0],
                latency_ms=trial.values[1],
            )
            for trial in self.study.get_trials(deepcopy=False)
            if trial.number in scores
        ]
        if self.config.racing is None:
            return [trials]
        return [with_estimates(trials, scores, self.config.racing.rungs[-1], all_named(self.config.objectives))]

    def believed(self) -> dict[str, float]:
        """PSNR [dB] by which networks are chosen, by digest: estimates where there is racing, else scores."""
        return {trial.spec.digest: trial.psnr_db for trial in self.estimated()[0] if trial.psnr_db is not None}


class Moment(NamedTuple):
    """A replayed search after one of its trainings; `study` is the search itself, which goes on after that."""

    steps: int  # trained so far
    seconds: float  # of the recorded trainings' processor time, one after the other
    candidates: int  # evaluated so far
    study: ReplayedStudy


def replay(answers: Answers, space: RecordedSpace, budget: int, budget_steps: int | None = None) -> Iterator[Moment]:
    """One search, with one worker, training by training.

    Args:
        answers: what is looked up; its config says sampler, seed, evaluator and racing.
        space: over the same networks.
        budget: candidates; where the networks are fewer, all are evaluated.
        budget_steps: training steps in all, with racing; None: twice what the candidates take.
    """
    study = ReplayedStudy(answers.config)
    proposals = Proposals(study, space)
    race = Race(study, min(budget, len(answers.specs)), budget_steps) if answers.config.racing else None
    steps, seconds, exhausted = 0, 0.0, False
    while True:
        evaluated = proposals.evaluated
        more = evaluated < budget and not exhausted
        run = race.next(evaluated) if race and (not more or race.due(evaluated)) else None
        if run is not None:
            assert race is not None
            reached = {score.steps for score in study.scores()[run.number] if score.seed == run.seed}
            psnr_db, ms = answers.training(run.spec.digest, run.seed, run.steps)
            race.tell(run.number, Score(seed=run.seed, steps=run.steps, psnr_db=psnr_db, reason="diverged"))
            done = steps_to_do(answers.config, max(reached, default=None), run.steps)
        elif more:
            proposal = proposals.ask()
            if proposal is None:
                exhausted = True
                continue
            digest, done = proposal.spec.digest, answers.first_steps
            psnr_db, ms = answers.training(digest, 0, done)
            told = Outcome("complete", psnr_db, (answers.latencies_ms[digest],))
            proposals.tell(proposal.number, told if psnr_db is not None else Outcome("failed", reason="diverged"))
        else:
            return
        steps, seconds = steps + done, seconds + done * ms / 1e3
        yield Moment(steps, seconds, proposals.evaluated, study)


def search_config(
    protocol: Protocol,
    sampler_name: str,
    seed: int,
    first_steps: int,
    racing: Racing | None = None,
    evaluator: str = "scratch",
) -> StudyConfig:
    """The config of a search over a benchmark's spaces, with its training over `first_steps`."""
    return StudyConfig.model_validate(
        {
            "space": tuple(protocol.spaces),
            "training": at_rung(protocol.training, first_steps).model_dump(),
            "sampler": sampler_name,
            "seed": seed,
            "racing": racing.model_dump() if racing else None,
            "evaluator": evaluator,
            "supernets": () if evaluator == "scratch" else tuple(protocol.spaces),
        }
    )
