"""Asks Optuna for candidates and tells it what became of them: no network is ever evaluated twice."""

from __future__ import annotations

import random
from typing import NamedTuple

from optuna.trial import Trial, TrialState

from nas_sr.arch.spec import ArchSpec
from nas_sr.errors import UsageError
from nas_sr.records import TrialRecord
from nas_sr.search.outcome import Outcome, read_outcome
from nas_sr.search.store import StudyStore
from nas_sr.space import Params, Space

_HOPELESS = 5  # if this many candidates fail and none does not, something is wrong with all of them
_REPEATS_IN_A_ROW = 20  # then the sampler has nothing new to say, and an unseen network is drawn


class Proposal(NamedTuple):
    """A candidate to evaluate."""

    number: int
    spec: ArchSpec


class Proposals:
    """The ask-and-tell side of a study, for one search at a time."""

    def __init__(self, store: StudyStore, space: Space) -> None:
        self.store = store
        self.space = space
        self._distributions = space.distributions()
        self._running: dict[int, Trial] = {}
        self._waiting_for: dict[int, list[Trial]] = {}  # repeats of a network that is being evaluated
        self._numbers: dict[str, int] = {}  # digest -> the trial that evaluates or evaluated it
        self._outcomes: dict[int, Outcome] = {}
        self._recover()
        self._enqueue_presets()

    @property
    def evaluated(self) -> int:
        """Candidates with an outcome: complete, infeasible or failed. Repeats and interrupted ones do not count."""
        return len(self._outcomes)

    @property
    def running(self) -> int:
        """Candidates asked for and not yet told."""
        return len(self._running)

    def first_failures(self) -> list[str]:
        """The reasons of the study's first five candidates if all of them failed, else nothing."""
        first = [self._outcomes[number] for number in sorted(self._outcomes)[:_HOPELESS]]
        if len(first) < _HOPELESS or any(outcome.state != "failed" for outcome in first):
            return []
        return [outcome.reason for outcome in first]

    def ask(self) -> Proposal | None:
        """The next network that no trial has evaluated; None when the space has no more."""
        for attempt in range(2 * _REPEATS_IN_A_ROW):
            if attempt == _REPEATS_IN_A_ROW and not self._enqueue_unseen():
                return None
            trial = self.store.study.ask(self._distributions)
            try:
                spec = self.space.spec(trial.params)
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
        self._outcomes[number] = outcome
        self._tell(self._running.pop(number), outcome)
        for repeat in self._waiting_for.pop(number, []):
            self._tell(repeat, outcome)

    def interrupt(self) -> None:
        """Lets go of every running candidate; each is proposed again when the search continues."""
        for trial in [*self._running.values(), *(t for repeats in self._waiting_for.values() for t in repeats)]:
            self._give_back(trial)
        self._running.clear()
        self._waiting_for.clear()

    def _tell(self, trial: Trial, outcome: Outcome) -> None:
        limit = self.store.config.max_latency_ms
        if limit is not None and outcome.latency_ms is not None:
            trial.set_constraint("latency_ms", outcome.latency_ms - limit)
        if outcome.state == "complete":
            assert outcome.psnr_db is not None
            assert outcome.latency_ms is not None
            self.store.study.tell(trial, [outcome.psnr_db, outcome.latency_ms])
            return
        trial.set_user_attr("state", outcome.state)
        trial.set_user_attr("reason", outcome.reason)
        trial.set_user_attr("latency_ms", outcome.latency_ms)
        state = TrialState.PRUNED if outcome.state == "infeasible" else TrialState.FAIL
        self.store.study.tell(trial, state=state)

    def _recover(self) -> None:
        """Learns what the journal holds. A trial left running by a killed search is told if its outcome reached the
        disk, else given back."""
        left_running = []
        for record in self.store.trials():
            if record.state == "running":
                left_running.append(record)
            elif record.repeats is None and record.state in ("complete", "infeasible", "failed"):
                self._numbers[record.spec.digest] = record.number
                self._outcomes[record.number] = _outcome_of(record)
        trials = {trial.number: trial for trial in self.store.study.get_trials(deepcopy=False)}
        for record in left_running:
            trial = Trial(self.store.study, trials[record.number]._trial_id)
            outcome = read_outcome(self.store.trial_folder(record.number))
            if record.repeats is not None and record.repeats in self._outcomes:
                self._tell(trial, self._outcomes[record.repeats])
            elif record.repeats is None and outcome is not None:
                self._numbers[record.spec.digest] = record.number
                self._running[record.number] = trial
                self.tell(record.number, outcome)
            else:
                self._give_back(trial)
        for frozen in trials.values():  # killed between asking and naming the network
            if frozen.state == TrialState.RUNNING and "spec" not in frozen.user_attrs:
                self._give_back(Trial(self.store.study, frozen._trial_id))

    def _give_back(self, trial: Trial) -> None:
        """Marks a trial as interrupted; unless it was a repeat, its parameters are proposed again, first."""
        parameters = dict(trial.params)
        repeat = "repeats" in trial.user_attrs
        trial.set_user_attr("state", "interrupted")
        self.store.study.tell(trial, state=TrialState.FAIL)
        if parameters and not repeat:
            self.store.study.enqueue_trial(parameters)

    def _enqueue_presets(self) -> None:
        """Queues the paper's networks of this space that are neither evaluated nor queued yet."""
        waiting = self.store.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        queued = [trial.system_attrs.get("fixed_params") for trial in waiting]
        for params in self.space.presets().values():
            if self.space.spec(params).digest not in self._numbers and params not in queued:
                self.store.study.enqueue_trial(params)

    def _enqueue_unseen(self) -> bool:
        """Queues a random network that no trial has; False when there is none."""
        unseen: list[Params] = [
            params for digest, params in self.space.architectures.items() if digest not in self._numbers
        ]
        if unseen:
            draw = random.Random(self.store.config.seed + len(self._numbers))
            self.store.study.enqueue_trial(draw.choice(unseen))
        return bool(unseen)


def _outcome_of(record: TrialRecord) -> Outcome:
    state = record.state
    assert state in ("complete", "infeasible", "failed")
    return Outcome(state, record.psnr_db, record.latency_ms, record.reason)
