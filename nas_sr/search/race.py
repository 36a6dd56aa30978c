"""The longer trainings of one search: which comes next, how many steps are spent, and what the journal is told."""

from __future__ import annotations

import numpy as np

from nas_sr.config import StudyConfig
from nas_sr.records import Score
from nas_sr.search.estimates import Raced
from nas_sr.search.further_trainings import FurtherTrainings, Run, failed_seeds
from nas_sr.search.racing import Run as IndexedRun
from nas_sr.search.racing import next_run
from nas_sr.search.store import StudyStore
from nas_sr.train.rungs import at_rung, branch_step

# Of fewer candidates no model tells which are worth a longer training.
_FEWEST = 8


class Race(FurtherTrainings):
    """What a search trains beyond the first rung."""

    def __init__(self, store: StudyStore, budget_candidates: int, budget_steps: int | None = None) -> None:
        """
        Args:
            store: of a study with racing.
            budget_candidates: candidates that the search evaluates.
            budget_steps: training steps in all, the candidates' own included; None: twice those.
        """
        assert store.config.racing is not None
        self._racing, self._config = store.config.racing, store.config
        self._nothing_open_at = -1  # evaluated candidates when there was nothing; nobody was told anything since
        self._candidates_steps = budget_candidates * self._config.training.steps
        self.budget_steps = 2 * self._candidates_steps if budget_steps is None else budget_steps
        super().__init__(store)

    @property
    def steps(self) -> int:
        """Training steps spent on longer trainings and further seeds, those that run included."""
        reached: dict[tuple[int, int], int] = {}
        total = 0
        for number, scores in self._store.scores().items():
            for score in scores:
                before = reached.get((number, score.seed))
                if not score.audit and not (
                    score.seed == 0 and before is None
                ):  # the first is the search's own training
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
        raced = Raced(on_targets[0], self._store.scores(), self._racing.rungs[-1])
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
            {(index, seed) for index, scores in enumerate(raced.scores) for seed in failed_seeds(scores)},
        )
        if found is None:
            return None
        trial = raced.trials[found.candidate]
        return Run(trial.number, trial.spec, found.seed, found.steps)

    def give_back(self, number: int, seed: int, steps: int) -> None:
        """Lets go of a training of which nothing can be said now."""
        self._nothing_open_at = -1
        super().give_back(number, seed, steps)


def steps_to_do(config: StudyConfig, reached: int | None, wanted: int) -> int:
    """Steps of a training of `wanted` steps, from the state that one of `reached` steps has left, if there was one."""
    if reached is None:
        return wanted
    return wanted - branch_step(at_rung(config.training, reached))


def _lengths(scores: tuple[Score, ...]) -> dict[int, int]:
    """The longest training of each seed but those of an audit; none of a seed that failed."""
    failed = failed_seeds(scores)
    found: dict[int, int] = {}
    for score in scores:
        if score.seed not in failed and not score.audit:
            found[score.seed] = max(score.steps, found.get(score.seed, 0))
    return found
