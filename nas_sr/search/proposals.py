"""Asks Optuna for candidates and tells it what became of them: no network is ever evaluated twice."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from optuna.trial import Trial, TrialState

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.search.failures import FailuresInARow
from nas_sr.search.outcome import Outcome
from nas_sr.search.store import RETRIES, WARM_START, StudyStore
from nas_sr.search.trial_store import PARAMS, read_outcome, taken_up, tell
from nas_sr.space import Params

_REPEATS_IN_A_ROW = 20  # then the sampler has nothing new to say, and an unseen network is drawn


class Proposal(NamedTuple):
    """A candidate to evaluate."""

    number: int
    spec: Spec


class CandidateSpace(Protocol):
    """What is asked of a search space: see nas_sr/space.py."""

    @property
    def architectures(self) -> dict[str, Params]:
        """Digest -> parameters that give it: every distinct network."""

    def suggest(self, trial: Trial, ordered: bool) -> Params:
        """Lets a trial take up parameters, and what they stand for."""

    def as_drawn(self, params: Params, ordered: bool) -> Params:
        """Parameters as a sampler draws them."""

    def spec(self, params: Params) -> Spec:
        """The network of one set of parameters; UsageError where it cannot be built."""

    def presets(self) -> dict[str, Params]:
        """Known networks, by name, and their parameters."""


class Proposals:
    """The ask-and-tell side of a study, for one search at a time."""

    def __init__(self, store: StudyStore, space: CandidateSpace) -> None:
        self.store = store
        self.space = space
        self._ordered = store.config.ordered_parameters
        self._running: dict[int, Trial] = {}
        self._waiting_for: dict[int, list[Trial]] = {}  # repeats of a network that is being evaluated
        self._numbers: dict[str, int] = {}  # digest -> the trial that evaluates or evaluated it
        self._outcomes: dict[int, Outcome] = {}
        self.again: list[int] = []  # trials whose networks are to be evaluated after all: see StudyStore
        self._recover()
        self.failures = FailuresInARow()  # of this search
        self._enqueue_known()

    @property
    def evaluated(self) -> int:
        """Candidates with an outcome: complete, infeasible, pruned or failed. Repeats and interrupted ones do not."""
        return len(self._outcomes)

    @property
    def running(self) -> int:
        """Candidates asked for and not yet told."""
        return len(self._running)

    @property
    def outcomes(self) -> dict[int, tuple[Spec, Outcome]]:
        """Every candidate with an outcome, by number."""
        trials = {trial.number: trial for trial in self.store.study.get_trials(deepcopy=False)}
        return {number: (self.store.spec(trials[number]), outcome) for number, outcome in self._outcomes.items()}

    def ask(self) -> Proposal | None:
        """The next network that no trial has evaluated; None when the space has no more."""
        for attempt in range(2 * _REPEATS_IN_A_ROW):
            if attempt == _REPEATS_IN_A_ROW and not self._enqueue_unseen():
                return None
            trial = self.store.study.ask()
            params = self.space.suggest(trial, self._ordered)
            if params != trial.params:
                trial.set_user_attr(PARAMS, params)
            try:
                spec = self.space.spec(params)
            except UsageError as error:
                trial.set_user_attr("reason", str(error))
                trial.set_constraint("buildable", 1.0)
                self.store.study.tell(trial, state=TrialState.PRUNED)
                continue
            earlier = self._numbers.get(spec.digest)
            trial.set_user_attr("spec", spec.to_json())
            if earlier is None:
                self._numbers[spec.digest] = trial.number
                self._running[trial.number] = trial
                return Proposal(trial.number, spec)
            trial.set_user_attr("repeats", earlier)
            if earlier in self._outcomes:
                self._tell(trial, self._outcomes[earlier])
            else:
                self._waiting_for.setdefault(earlier, []).append(trial)
        return None

    def tell(self, number: int, outcome: Outcome) -> None:
        """Records what became of a candidate, and of those that repeat it."""
        self._tell_all(number, outcome)
        if outcome.state == "failed":
            self.failures.failed(number, outcome.reason)
        else:
            self.failures.did_not_fail()

    def give_back(self, number: int) -> None:
        """Lets go of one running candidate, of which nothing can be said now; it is proposed again."""
        for trial in [self._running.pop(number), *self._waiting_for.pop(number, [])]:
            self._give_back(trial)

    def interrupt(self) -> None:
        """Lets go of every running candidate: told if its outcome reached the disk, else proposed again."""
        self._running.clear()
        self._waiting_for.clear()
        self._resolve_running()

    def retry(self, numbers: Iterable[int]) -> None:
        """Takes failures back: these candidates have no outcome any more, and are proposed again, first."""
        trials = {trial.number: trial for trial in self.store.study.get_trials(deepcopy=False)}
        for number in numbers:
            self.store.study.enqueue_trial(dict(trials[number].params), user_attrs={RETRIES: number})
            del self._outcomes[number]
            del self._numbers[self.store.spec(trials[number]).digest]

    def retry_failed(self) -> int:
        """Takes back every failure of the study; how many there were."""
        failed = [number for number, outcome in self._outcomes.items() if outcome.state == "failed"]
        self.retry(failed)
        return len(failed)

    def _tell_all(self, number: int, outcome: Outcome) -> None:
        self._tell(self._running.pop(number), outcome)
        self._outcomes[number] = outcome
        for repeat in self._waiting_for.pop(number, []):
            self._tell(repeat, outcome)

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        tell(self.store.study, trial, outcome, self.store.config)

    def _recover(self) -> None:
        """Learns what the journal holds, and settles what a killed search left running."""
        wrong = self.store.wrongly_infeasible() | self.store.wrongly_pruned()
        self._outcomes = {number: found for number, found in self.store.finished().items() if number not in wrong}
        trials = {trial.number: trial for trial in self.store.study.get_trials(deepcopy=False)}
        self._numbers = {self.store.spec(trials[number]).digest: number for number in self._outcomes}
        self._resolve_running()
        self.again = sorted(number for number in wrong if self.store.spec(trials[number]).digest not in self._numbers)
        self._enqueue(taken_up(trials[number]) for number in self.again)

    def _resolve_running(self) -> None:
        """Every trial that runs by the journal, which alone knows of one that was cut off while it was asked for."""
        for frozen in self.store.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            trial = Trial(self.store.study, frozen._trial_id)
            outcome = read_outcome(self.store.trial_folder(frozen.number))
            repeats = frozen.user_attrs.get("repeats")
            if repeats in self._outcomes:
                self._tell(trial, self._outcomes[repeats])
            elif repeats is None and outcome is not None and "spec" in frozen.user_attrs:
                self._numbers[self.store.spec(frozen).digest] = frozen.number
                self._running[frozen.number] = trial
                self._tell_all(frozen.number, outcome)
            else:
                self._give_back(trial)

    def _give_back(self, trial: Trial) -> None:
        """Marks a trial as interrupted; unless it was a repeat, its parameters are proposed again, first."""
        # Of one that was queued and had no time to take them up, only the queue's entry says them.
        frozen = self.store.study.get_trials(deepcopy=False)[trial.number]
        parameters = {**frozen.system_attrs.get("fixed_params", {}), **frozen.params}
        repeat = "repeats" in trial.user_attrs
        if parameters and not repeat and parameters not in self._queued():
            self.store.study.enqueue_trial(parameters)  # first: a kill may come between the two
        trial.set_user_attr("state", "interrupted")
        self.store.study.tell(trial, state=TrialState.FAIL)
        self._numbers = {digest: number for digest, number in self._numbers.items() if number != trial.number}

    def _queued(self) -> list[Params]:
        waiting = self.store.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return [trial.system_attrs.get("fixed_params", {}) for trial in waiting]

    def _enqueue_known(self) -> None:
        """Queues what another study found good, as it was when this one began, and the known networks of this space."""
        self._enqueue(self.store.environment().get(WARM_START, {}).get("networks", ()))
        self._enqueue(self.space.presets().values())

    def _enqueue(self, networks: Iterable[Params]) -> None:
        """Queues those networks that are neither evaluated nor queued yet."""
        queued = self._queued()
        for params in networks:
            drawn = self.space.as_drawn(params, self._ordered)
            if self.space.spec(params).digest not in self._numbers and drawn not in queued:
                self.store.study.enqueue_trial(drawn)

    def _enqueue_unseen(self) -> bool:
        """Queues a random network that no trial has; False when there is none."""
        unseen: list[Params] = [
            params for digest, params in self.space.architectures.items() if digest not in self._numbers
        ]
        if unseen:
            draw = random.Random(self.store.config.seed + len(self._numbers))
            self.store.study.enqueue_trial(self.space.as_drawn(draw.choice(unseen), self._ordered))
        return bool(unseen)
