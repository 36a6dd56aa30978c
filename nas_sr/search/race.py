"""The longer trainings of one search: which comes next, how many steps are spent, and what the journal is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas_sr.config import StudyConfig
from nas_sr.families.base import Spec
from nas_sr.records import Score
from nas_sr.search.estimates import Raced
from nas_sr.search.racing import Run as IndexedRun
from nas_sr.search.racing import next_run
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import read_scores
from nas_sr.train.rungs import at_rung, branch_step

# Of fewer candidates no model tells which are worth a longer training.
_FEWEST = 8


class Run(NamedTuple):
    """One training of a trial: from a seed (0 is the study's) to a length."""

    number: int
    spec: Spec
    seed: int
    steps: int


class Race:
    """What is trained beyond the first rung, for one search at a time. Scores on disk that nobody told are told."""

    def __init__(self, store: StudyStore, budget_candidates: int, budget_steps: int | None = None) -> None:
        """
        Args:
            store: of a study with racing.
            budget_candidates: candidates that the search evaluates.
            budget_steps: training steps in all, the candidates' own included; None: twice those.
        """
        assert store.config.racing is not None
        self._store, self._racing, self._config = store, store.config.racing, store.config
        self._running: dict[tuple[int, int, int], Run] = {}
        self._nothing_open_at = -1  # evaluated candidates when there was nothing; nobody was told anything since
        self._candidates_steps = budget_candidates * self._config.training.steps
        self.budget_steps = 2 * self._candidates_steps if budget_steps is None else budget_steps
        self._recover()

    @property
    def running(self) -> int:
        """Trainings given out and not yet told."""
        return len(self._running)

    @property
    def steps(self) -> int:
        """Training steps spent on longer trainings and further seeds, those that run included."""
        reached: dict[tuple[int, int], int] = {}
        total = 0
        for number, scores in self._store.scores().items():
            for score in scores:
                before = reached.get((number, score.seed))
                if not (score.seed == 0 and before is None):  # the first is the search's own training
                    total += steps_to_do(self._config, before, score.steps)
                reached[number, score.seed] = score.steps
        for run in self._running.values():
            total += steps_to_do(self._config, reached.get((run.number, run.seed)), run.steps)
        return total

    def due(self, evaluated: int) -> bool:
        """Whether, after so many candidates, it is the race's turn: its share of all steps so far is not spent yet."""
        share = max(0, self.budget_steps - self._candidates_steps) / self._candidates_steps
        return self.steps < share * evaluated * self._config.training.steps

    def is_open(self, evaluated: int) -> bool:
        """Whether anything is left to train."""
        run = self.next(evaluated)
        if run is not None:
            self.give_back(run.number, run.seed, run.steps)
        return run is not None

    def next(self, evaluated: int) -> Run | None:
        """The training that is worth most after so many candidates; None where none is, or too few steps are left."""
        if evaluated == self._nothing_open_at:
            return None
        run = self._worth_most()
        if run is None:
            self._nothing_open_at = evaluated
        else:
            self._running[run.number, run.seed, run.steps] = run
        return run

    def _worth_most(self) -> Run | None:
        on_targets = self._store.estimated()
        raced = Raced(on_targets[0], self._store.scores(), self._racing)
        if raced.model is None or len(raced.trials) < _FEWEST:
            return None
        numbers = [trial.number for trial in raced.trials]
        probability = np.max(
            [
                [
                    trial.estimate.front_probability if trial.state == "complete" and trial.estimate else 0.0
                    for trial in map({trial.number: trial for trial in trials}.__getitem__, numbers)
                ]
                for trials in on_targets
            ],
            axis=0,
        )
        left = self.budget_steps - self._candidates_steps - self.steps
        found = next_run(
            raced.model,
            probability,
            [_lengths(scores) for scores in raced.scores],
            self._racing.rungs,
            range(self._racing.seeds),
            lambda reached, wanted: steps_to_do(self._config, reached, wanted),
            [IndexedRun(numbers.index(run.number), run.seed, run.steps) for run in self._running.values()],
            left,
            {(index, seed) for index, scores in enumerate(raced.scores) for seed in _failed(scores)},
        )
        if found is None:
            return None
        trial = raced.trials[found.candidate]
        return Run(trial.number, trial.spec, found.seed, found.steps)

    def tell(self, number: int, score: Score) -> None:
        """Records what a training came to."""
        self.give_back(number, score.seed, score.steps)
        self._store.tell_score(number, score)

    def give_back(self, number: int, seed: int, steps: int) -> None:
        """Lets go of a training of which nothing can be said now."""
        self._nothing_open_at = -1
        self._running.pop((number, seed, steps), None)

    def _recover(self) -> None:
        for number, told in self._store.scores().items():
            known = {(score.seed, score.steps) for score in told}
            for score in read_scores(self._store.trial_folder(number)):
                if (score.seed, score.steps) not in known:
                    self._store.tell_score(number, score)


def steps_to_do(config: StudyConfig, reached: int | None, wanted: int) -> int:
    """Steps of a training of `wanted` steps, from the state that one of `reached` steps has left, if there was one."""
    if reached is None:
        return wanted
    return wanted - branch_step(at_rung(config.training, reached))


def _lengths(scores: Sequence[Score]) -> dict[int, int]:
    """The longest training of each seed; none of a seed that failed."""
    failed = _failed(scores)
    found: dict[int, int] = {}
    for score in scores:
        if score.seed not in failed:
            found[score.seed] = max(score.steps, found.get(score.seed, 0))
    return found


def _failed(scores: Sequence[Score]) -> set[int]:
    """Seeds from which a training failed."""
    return {score.seed for score in scores if score.psnr_db is None}
