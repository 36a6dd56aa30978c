"""Runs candidates under Ray Tune: proposals in, outcomes out, workers reused. The journal alone holds the state."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TypeVar

os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "1000000000")
os.environ.setdefault("TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S", "0")

import ray
from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from nas_sr.errors import WorkError
from nas_sr.families.base import Spec
from nas_sr.families.registry import parse_spec
from nas_sr.ray_cluster import ray_cluster, refuse_too_large
from nas_sr.records import Score
from nas_sr.search.candidate_training import train_longer
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.further_trainings import FurtherTrainings, Run
from nas_sr.search.outcome import Outcome, Reached, Trained
from nas_sr.search.proposals import Proposals
from nas_sr.search.study_log import SearchListener

_DIED = "its worker process died (out of memory or killed)"

Evaluate = Callable[[Evaluation, int, Spec], Iterator[Reached | Outcome]]


Event = TypeVar("Event", Reached, Outcome, Trained)


class Resources(NamedTuple):
    """What one candidate occupies while it is evaluated; how many run at once follows from the machine."""

    cpus: float = 1
    gpus: float = 0

    @classmethod
    def asked(cls, cpus: float, gpus: float | None) -> Resources:
        """As a user says; without a word on GPUs a quarter of one where there is one: brief candidates are small."""
        if gpus is None:
            import torch

            gpus = 0.25 if torch.cuda.is_available() else 0.0
        return cls(cpus, gpus)


class Candidate(tune.Trainable):
    """A worker that evaluates one candidate after another: Tune resets it instead of starting a new process."""

    def setup(self, config: dict[str, Any], evaluation: Evaluation, evaluate: Evaluate) -> None:
        """Called once in each worker process."""
        import torch

        torch.set_num_threads(evaluation.threads)
        self._evaluation, self._evaluate = evaluation, evaluate
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next candidate, or the next training of an earlier one."""
        number, spec = new_config["number"], parse_spec(new_config["spec"])
        self._events: Iterator[Reached | Outcome | Trained]
        if "steps" in new_config:
            self._events = train_longer(self._evaluation, number, spec, new_config["seed"], new_config["steps"])
        else:
            self._events = self._evaluate(self._evaluation, number, spec)
        return True

    def step(self) -> dict[str, Any]:
        """Runs until the next event: a stage begun, a validation, or the outcome."""
        event = next(self._events)
        return {**event._asdict(), "done": isinstance(event, (Outcome, Trained))}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: what a candidate leaves is in its trial's folder."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, likewise."""


class JournalSearcher(Searcher):
    """Lets Tune ask for candidates and tell their outcomes; every word goes to the study's journal at once.

    Tune's own record of the experiment is neither read nor restored.
    """

    def __init__(
        self, proposals: Proposals, budget: int, progress: SearchListener, further: FurtherTrainings | None = None
    ) -> None:
        super().__init__()
        self.at_once = 1  # candidates evaluated at a time; one more is given out, so that no worker waits for it
        self._proposals, self._budget, self._progress, self._further = proposals, budget, progress, further
        self._numbers: dict[str, int] = {}
        self._runs: dict[str, Run] = {}
        self.exhausted = False
        self.gone = ""  # what gave way, so that nothing can be said of candidates any more
        self.not_written: WorkError | None = None  # of the journal

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next candidate, or a further training of one; FINISHED once nothing is left to do, or nothing works."""
        trained_on = self._further.running if self._further else 0
        if self._proposals.running + trained_on > self.at_once:
            return None  # asked again when one has ended
        if self._proposals.failures.hopeless or self.gone or self.not_written:
            return Searcher.FINISHED
        given_out = self._proposals.evaluated + self._proposals.running
        more = given_out < self._budget and not self.exhausted
        if self._further and (not more or self._further.due(given_out)) and (run := self._further.next(given_out)):
            self._runs[trial_id] = run
            self._progress.began(run.number, run.spec)
            return {"number": run.number, "spec": run.spec.to_json(), "seed": run.seed, "steps": run.steps}
        if not more:
            # What still runs may open a question.
            return None if self._further and self._proposals.running + trained_on else Searcher.FINISHED
        try:
            proposal = self._proposals.ask()
        except WorkError as error:
            self.not_written = error
            return Searcher.FINISHED
        if proposal is None:
            self.exhausted = True
            return self.suggest(trial_id) if self._further else Searcher.FINISHED
        self._numbers[trial_id] = proposal.number
        self._progress.began(proposal.number, proposal.spec)
        return {"number": proposal.number, "spec": proposal.spec.to_json()}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Shows how far a candidate is."""
        if not result["done"]:
            self._progress.reached(self._number(trial_id), _event(Reached, result))

    def on_trial_retried(self, trial_id: str) -> None:
        """A candidate's worker died, and another one begins it anew."""
        self._progress.tries_again(self._number(trial_id), _DIED)

    def _number(self, trial_id: str) -> int:
        return self._runs[trial_id].number if trial_id in self._runs else self._numbers[trial_id]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the study. Of a worker that died it hears once its candidate was tried once more."""
        if trial_id in self._runs:
            self._tell_run(self._runs.pop(trial_id), result if not error else None)
            return
        number = self._numbers.pop(trial_id)
        try:
            if not error and result and result.get("state") == "interrupted":
                self.gone = self.gone or result["reason"]
                self._proposals.give_back(number)
                self._progress.gave_back(number, result["reason"])
                return
            if error or not result or "state" not in result:
                outcome = Outcome("failed", reason=f"{_DIED}, twice")
            else:
                outcome = _event(Outcome, result)
            self._proposals.tell(number, outcome)
            self._progress.ended(number, outcome)
        except WorkError as failure:  # what it came to is in its folder, and told when the search goes on
            self.not_written = failure

    def _tell_run(self, run: Run, result: dict[str, Any] | None) -> None:
        assert self._further is not None
        if result and result.get("state") == "interrupted":
            self.gone = self.gone or result["reason"]
            self._further.give_back(run.number, run.seed, run.steps)
            self._progress.gave_back(run.number, result["reason"])
            return
        score = Score(seed=run.seed, steps=run.steps, psnr_db=None, reason=f"{_DIED}, twice")
        if result and "state" in result:
            trained = _event(Trained, result)
            score = score.model_copy(
                update={"psnr_db": trained.psnr_db, "reason": trained.reason, "note": trained.note}
            )
        try:
            self._further.tell(run.number, score)
            self._progress.trained(run.number, score)
        except WorkError as failure:  # it is in the trial's folder, and told when the search goes on
            self.not_written = failure

    def let_go(self) -> None:
        """Lets go of what still runs when the search ends."""
        try:
            self._proposals.interrupt()
        except WorkError as failure:
            self.not_written = failure

    def __reduce__(self) -> tuple[type[Searcher], tuple[()]]:
        """Tune writes a copy of its searcher for `Tuner.restore`, which is never used: an empty one will do."""
        return Searcher, ()

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal has it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, likewise."""


class _Retries(tune.Callback):
    """Tells of candidates that are tried once more; Tune's searchers do not hear of it."""

    def __init__(self, searcher: JournalSearcher) -> None:
        self._searcher = searcher

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._searcher.on_trial_retried(trial.trial_id)


def _at_once(resources: Resources) -> int:
    """How many candidates find room where Ray runs."""
    there = ray.cluster_resources()
    wanted = {"CPU": resources.cpus, "GPU": resources.gpus}
    return max(1, int(min(there.get(kind, 0.0) / amount for kind, amount in wanted.items() if amount)))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _event(kind: type[Event], result: dict[str, Any]) -> Event:
    """The event inside a Tune result, which has many keys of Tune's own."""
    return kind(**{field: result[field] for field in kind._fields})


def run_candidates(
    proposals: Proposals,
    budget: int,
    evaluation: Evaluation,
    evaluate: Evaluate,
    resources: Resources,
    progress: SearchListener,
    further: FurtherTrainings | None = None,
) -> bool:
    """Evaluates candidates until `budget` have an outcome, and trains on what `further` says.

    False when the space ran out of networks before.

    On an interrupt every running candidate whose outcome is not on disk yet is given back to the study, and
    KeyboardInterrupt goes on. A candidate whose worker dies (killed, out of memory) is tried once more.

    Raises:
        UsageError: no machine has these resources.
        WorkError: something gave way that is no candidate's fault (a device that nothing can predict for, a disk, a
            GPU), and the candidates it struck were given back too; the journal cannot be written; Ray does not start.
    """
    scratch = Path(evaluation.study_dir) / ".tune"
    shutil.rmtree(scratch, ignore_errors=True)
    searcher = JournalSearcher(proposals, budget, progress, further)
    try:
        with ray_cluster():
            refuse_too_large(resources.cpus, resources.gpus)
            searcher.at_once = _at_once(resources)
            # Else Tune starts one worker after another, and each imports for ten seconds.
            os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(searcher.at_once)
            signal.signal(signal.SIGTERM, _interrupt)
            tune.Tuner(
                tune.with_resources(
                    tune.with_parameters(Candidate, evaluation=evaluation, evaluate=evaluate),
                    {"cpu": resources.cpus, "gpu": resources.gpus},
                ),
                tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
                run_config=tune.RunConfig(
                    name="search",
                    storage_path=str(scratch.resolve()),
                    verbose=0,
                    failure_config=tune.FailureConfig(max_failures=1),
                    callbacks=[_Retries(searcher)],
                    checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
                ),
            ).fit()
    except TuneError as error:
        raise WorkError(f"Ray Tune stopped: {str(error).strip().splitlines()[-1]}; nothing is lost") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # first: it may be what the disk lacks
        searcher.let_go()
    if searcher.not_written:
        raise searcher.not_written
    if searcher.gone:
        raise WorkError(f"the search stopped, nothing is lost; continue it with the same command: {searcher.gone}")
    return not searcher.exhausted
