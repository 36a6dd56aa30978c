"""Trainings of candidates beyond their first: given out one by one, and told to the journal as they end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from nas_sr.families.base import Spec
from nas_sr.records import Score
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import read_scores


class Run(NamedTuple):
    """One training of a trial: from a seed (0 is the study's) to a length."""

    number: int
    spec: Spec
    seed: int
    steps: int


class FurtherTrainings(ABC):
    """Those of one search or audit at a time. Scores on disk that nobody told are told."""

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._running: dict[tuple[int, int, int], Run] = {}
        self._recover()

    @property
    def running(self) -> int:
        """Trainings given out and not yet told."""
        return len(self._running)

    @abstractmethod
    def due(self, evaluated: int) -> bool:
        """Whether, after so many candidates, one of them comes before a further candidate."""

    @abstractmethod
    def next(self, evaluated: int) -> Run | None:
        """The next one after so many candidates, which then is running; None where there is none now."""

    def tell(self, number: int, score: Score) -> None:
        """Records what a training came to."""
        self.give_back(number, score.seed, score.steps)
        self._store.tell_score(number, score)

    def give_back(self, number: int, seed: int, steps: int) -> None:
        """Lets go of a training of which nothing can be said now."""
        self._running.pop((number, seed, steps), None)

    def _recover(self) -> None:
        for number, told in self._store.scores().items():
            known = {(score.seed, score.steps) for score in told}
            for score in read_scores(self._store.trial_folder(number)):
                if (score.seed, score.steps) not in known:
                    self._store.tell_score(number, score)


def failed_seeds(scores: tuple[Score, ...]) -> set[int]:
    """Seeds from which a training failed: it would fail again."""
    return {score.seed for score in scores if score.psnr_db is None}
