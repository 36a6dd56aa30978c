"""An audit: candidates on and around a study's front are trained much longer, from seeds that the search never used.

Its trainings are kept as those of a race are, and count: they are the truest that the study has. What it says of the
search compares them with the study as it is without them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path

from rich.console import Console

from nas_sr.audit_record import Audit
from nas_sr.callbacks import CountProgress
from nas_sr.config import StudyConfig
from nas_sr.data.image_sets import image_sets
from nas_sr.errors import UsageError, unknown_name
from nas_sr.objectives import all_named, columns
from nas_sr.records import Score, StudyRecord
from nas_sr.search.audited import audited_networks, chosen, concluded
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.further_trainings import FurtherTrainings, Run, failed_seeds
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.race import steps_to_do
from nas_sr.search.search import evaluation_of, refuse_changes
from nas_sr.search.store import StudyStore
from nas_sr.search.tune import Resources, run_candidates
from nas_sr.space import read_spaces
from nas_sr.train.rungs import refuse_no_rungs

USUAL_TIMES = 10
_FEWEST = 3  # networks of which a rank can be told


class AuditTrainings(FurtherTrainings):
    """What an audit lacks: of the first seed every network's, then of the next."""

    def __init__(self, store: StudyStore, audit: Audit) -> None:
        super().__init__(store)
        self._audit = audit
        study = store.record(audit.target)
        self._specs = {network.number: study.trial(network.number).spec for network in audit.networks}

    @property
    def missing(self) -> list[Run]:
        """Those that are neither told nor running. From a seed that failed none is begun again."""
        scores, steps = self._store.scores(), self._audit.steps
        return [
            Run(network.number, self._specs[network.number], seed, steps)
            for seed in self._audit.seeds
            for network in self._audit.networks
            if (seed, steps) not in {(score.seed, score.steps) for score in scores[network.number]}
            and seed not in failed_seeds(scores[network.number])
            and (network.number, seed, steps) not in self._running
        ]

    @property
    def steps_missing(self) -> int:
        """Training steps of those, from the states that shorter ones have left."""
        scores = self._store.scores()

        def reached(run: Run) -> int | None:
            return max((score.steps for score in scores[run.number] if score.seed == run.seed), default=None)

        return sum(steps_to_do(self._store.config, reached(run), run.steps) for run in self.missing)

    def due(self, evaluated: int) -> bool:
        """Always: an audit evaluates no further candidate."""
        return True

    def next(self, evaluated: int) -> Run | None:
        """See `FurtherTrainings`."""
        run = next(iter(self.missing), None)
        if run is not None:
            self._running[run.number, run.seed, run.steps] = run
        return run

    def tell(self, number: int, score: Score) -> None:
        """See `FurtherTrainings`."""
        super().tell(number, score.model_copy(update={"audit": True}))


def audit_study(
    folder: Path,
    target: str | None,
    networks: int,
    times: int | None,
    seeds: int,
    resources: Resources,
    console: Console,
    packing: Callable[[], AbstractContextManager[CountProgress | None]] = nullcontext,
) -> list[StudyRecord]:
    """Trains what an audit of the study in `folder` lacks, and keeps what it says; the study on each of its targets.

    The same call goes on with one that was interrupted, and nothing that was trained is trained again.

    Args:
        folder: the study's.
        target: whose front it is; None: the study's first.
        networks: how many to train.
        times: the length of each training, as a multiple of the study's; None: ten, or the longest rung if that is
            longer.
        seeds: how many for each network.
        resources: what one training occupies.
        console: is told the progress.
        packing: shows how far images that no pack has yet are packed.

    Raises:
        UsageError: no such study or target; too few candidates; a training that cannot be made longer, or a length
            that the study has passed already; images that have changed.
        WorkError: something gave way that is no candidate's fault; everything trained is kept.
        KeyboardInterrupt: interrupted; likewise.
    """
    store = StudyStore.open(folder)
    target = target or store.targets[0]
    if target not in store.targets:
        raise unknown_name(f"target of study '{folder.name}'", target, list(store.targets))
    refuse_no_rungs(store.config.training)
    steps = _length(store, times)
    with packing() as packed:
        space = read_spaces(store.config.space)
        config = store.config
        images = image_sets(config.data, config.val, space.scale, config.training.largest_crop_lr, packed)
    refuse_changes(store, images, space)
    with store.searching():
        audit = _planned(store, target, networks, steps, _seeds(config, seeds))
        trainings = AuditTrainings(store, audit)
        total = len(audit.networks) * len(audit.seeds)
        console.print(
            f"audit of {len(audit.networks)} networks on {target}, {steps} steps each from seeds"
            f" {', '.join(map(str, audit.seeds))}, which the search has not used: {len(trainings.missing)} of {total}"
            f" trainings to do, {trainings.steps_missing:,} steps",
            style="dim",
            soft_wrap=True,
        )
        try:
            if trainings.missing:
                evaluation = evaluation_of(store, images, resources).model_copy(
                    update={"racing": True, "audit": True} | _trained(config)
                )
                proposals = Proposals(store, space)
                told = columns(all_named(config.objectives), len(config.hw))
                budget, left = proposals.evaluated, len(trainings.missing)
                shown = SearchProgress(console, budget, proposals.outcomes, told, trainings=left)
                with redirect_stdout(sys.stderr), shown as progress:
                    run_candidates(proposals, budget, evaluation, evaluate_candidate, resources, progress, trainings)
        finally:
            store.keep_audit(concluded(audit, store.record(target), store.scores()))
        return store.report_records()


def _trained(config: StudyConfig) -> dict[str, str]:
    """A study of inherited scores trains nothing; what it found is trained from the inherited weights."""
    return {"evaluator": "finetune"} if config.evaluator == "supernet" else {}


def _length(store: StudyStore, times: int | None) -> int:
    first, longest = store.config.training.steps, store.judged_after() or 0
    steps = max(USUAL_TIMES * first, longest) if times is None else times * first
    if steps <= first or steps < longest:
        least = max(2, -(-longest // first))
        why = f"the study has trainings of {longest} steps" if longest else "the study's own trainings are as long"
        raise UsageError(f"--times {times}: an audit must be longer, and {why}; at least --times {least}")
    return steps


def _seeds(config: StudyConfig, number: int) -> tuple[int, ...]:
    """Seeds that the search never uses, so that what was luck there is none here."""
    used = config.racing.seeds if config.racing else 1
    return tuple(range(used, used + number))


def _planned(store: StudyStore, target: str, networks: int, steps: int, seeds: Sequence[int]) -> Audit:
    """The audit that was begun with the same options and is not finished, as far as its networks are still there; else
    a new one, of the study as it is now."""
    study = store.record(target, audits=False)
    before = store.record(target).audit
    complete = {trial.number: trial for trial in study.trials if trial.state == "complete"}
    trials = chosen(study, networks)
    if (
        before is not None
        and before.missing
        and (before.steps, before.seeds, len(before.networks)) == (steps, tuple(seeds), len(trials))
        and all(network.number in complete for network in before.networks)
    ):
        trials = [complete[network.number] for network in before.networks]
    if len(trials) < _FEWEST or not study.front:
        raise UsageError(
            f"{store.folder}: an audit needs {_FEWEST} complete trials at least, but got {len(trials)};"
            " give `nas-sr search` a larger --budget"
        )
    audit = Audit(
        target=target,
        steps=steps,
        times=steps / store.config.training.steps,
        seeds=tuple(seeds),
        networks=audited_networks(study, trials),
        missing=len(trials) * len(seeds),
    )
    store.keep_audit(audit)
    return audit
