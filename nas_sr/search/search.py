"""The main job: from a study's config to evaluated candidates, begun anew or continued."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from nas_sr.callbacks import CountProgress
from nas_sr.command_line import command
from nas_sr.config import StudyConfig, differences, parse
from nas_sr.data.image_sets import ImageSets, image_sets
from nas_sr.device_program.cores import usable_cpus
from nas_sr.environment import environment, versions
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.validation import ValidationSet, bounded, mean_psnr_rgb
from nas_sr.families.presets import preset
from nas_sr.files import writable_folder
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.objectives import LATENCY, all_named, columns, named, refuse_missing
from nas_sr.ray_cluster import refuse_long_folder
from nas_sr.records import StudyRecord
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.evaluators import supernet_digests
from nas_sr.search.finalists import finalise
from nas_sr.search.full_validation import validate_front
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.race import Race
from nas_sr.search.sampler_limits import refuse_unable
from nas_sr.search.store import ENVIRONMENT, WARM_START, StudyStore
from nas_sr.search.study_log import StudyLog, ToAll
from nas_sr.search.targets import Target, first_contact, keep_epoch, target
from nas_sr.search.tune import Resources, run_candidates
from nas_sr.search.warm_start import warm_start
from nas_sr.space import SearchSpace, read_space, read_spaces
from nas_sr.stages import stage
from nas_sr.train.execution import Execution, check_usable, choose_execution, default_device

# A network that turns out not to be too slow is trained, and its front settled again; once more if need be.
_MOST_ROUNDS = 3


class SearchResult(NamedTuple):
    """A search's result; `space_exhausted`: the space ran out of networks before the budget."""

    studies: list[StudyRecord]  # the study on each of its targets
    space_exhausted: bool
    wall_s: float

    @property
    def study(self) -> StudyRecord:
        """The study on its first target."""
        return self.studies[0]


def search(
    folder: Path,
    config: StudyConfig,
    budget: int,
    resources: Resources,
    console: Console,
    packing: Callable[[], AbstractContextManager[CountProgress | None]] = nullcontext,
    new_epoch: bool = False,
    retry_failed: bool = False,
    budget_steps: int | None = None,
) -> SearchResult:
    """Evaluates candidates of the study in `folder` until `budget` of them have an outcome.

    Args:
        folder: the study's; made if it is not there.
        config: what is searched, on what, and how.
        budget: candidates with an outcome, earlier ones of the study included.
        resources: what one candidate occupies.
        console: is told the progress.
        packing: shows how far images that no pack has yet are packed.
        new_epoch: whether a device that has changed since the study began may be measured on, everything anew.
        retry_failed: candidates that failed in earlier searches of the study are evaluated again.
        budget_steps: training steps in all, of a study with racing; None: twice what the candidates take.

    Raises:
        UsageError: the config names something that is not there, or differs from the existing study's, or a device has
            changed.
        WorkError: candidates failed in a row for one reason; something gave way that is no candidate's fault; or what
            the study trains on is not there.
        KeyboardInterrupt: interrupted; everything told so far is kept.
    """
    start = time.monotonic()
    _check_there(resources)
    if StudyStore.exists(folder):
        check_usable(_execution(StudyStore.open(folder)), f"study {folder}")
    space = read_spaces(config.space)
    targets = [target(name, folder) for name in config.hw]
    profiles = [each.profile for each in targets]
    names = [each.name for each in profiles]
    if len(set(names)) < len(names):
        raise UsageError(f"targets must have different names, but got {', '.join(names)}")
    _refuse_objectives(config, targets)
    warm = None
    if not StudyStore.exists(folder):
        refuse_unable(config, space)
        warm = warm_start(config.warm_start, space) if config.warm_start else None
    silent = {
        each.profile.name
        for hw, each in zip(config.hw, targets, strict=True)
        if not _answers(each, hw, config, console)
    }
    with packing() as packed, stage("images"):
        images = image_sets(config.data, config.val, space.scale, config.training.largest_crop_lr, packed)
    looked_at = bounded(images.val, config.validation_megapixels)
    frozen = {"hw": {each.name: each.frozen() for each in profiles}, **_trained_on(config, images, space)}
    if StudyStore.exists(folder):
        store = StudyStore.open(folder)
        _refuse_differences(folder, store.config.model_dump(mode="json"), config.model_dump(mode="json"))
        _refuse_differences(folder, store.environment().get("frozen", {}), frozen)
    else:
        writable_folder(folder)
        console.print("measuring how a training step runs fastest here ...", style="dim")
        environment = _environment(config, images, looked_at, _threads(resources), frozen)
        if warm is not None:
            environment[WARM_START] = warm._asdict()
            console.print(f"warm start from {config.warm_start}: {warm}", style="dim", highlight=False, soft_wrap=True)
        store = StudyStore.create(folder, config, environment)
    for problem in images.problems:
        console.print(f"left out: {problem}", style="dim", highlight=False)
    console.print(
        f"study {folder}: {images.description}; {_looked_at(looked_at)}", style="dim", highlight=False, soft_wrap=True
    )

    log = StudyLog(folder)

    def tell(text: str) -> None:
        console.print(text, style="dim", soft_wrap=True, highlight=False)
        log.write("message", text=text)

    with store.searching():
        log.write("search", budget=budget, budget_steps=budget_steps, process=os.getpid(), versions=versions())
        for each in targets:
            if each.profile.name not in silent:
                keep_epoch(each, new_epoch, tell)
        if retry_failed and (retried := Proposals(store, space).retry_failed()):
            tell(f"candidates that failed and are tried again: {retried}")
        evaluation = evaluation_of(store, images, resources)
        race = Race(store, budget, budget_steps) if config.racing else None
        told = columns(all_named(config.objectives), len(config.hw))
        for _ in range(_MOST_ROUNDS):
            proposals = Proposals(store, space)
            exhausted = False
            try:
                if proposals.evaluated < budget or (race and race.is_open(proposals.evaluated)):
                    # Ray prints what goes wrong with its workers on standard output, which is for the answer alone.
                    shown = SearchProgress(console, budget, proposals.outcomes, told)
                    with redirect_stdout(sys.stderr), shown as progress, stage("candidates"):
                        heard = ToAll([progress, log])
                        exhausted = not run_candidates(
                            proposals, budget, evaluation, evaluate_candidate, resources, heard, race
                        )
            finally:
                hopeless = proposals.failures.hopeless
                proposals.retry(hopeless)
            if hopeless:
                raise WorkError(
                    f"{folder}: {len(hopeless)} candidates in a row failed for one reason, so the search stopped:"
                    f" {proposals.failures.reason}. They do not count, and the same command tries them again"
                    f" ({_counts(proposals)})"
                )
            for each in targets:
                with stage("finalising"):
                    finalise(store, each, config.measure, tell)
            again = Proposals(store, space).again
            if not again:
                break
            tell(f"not too slow, or not behind the front, after all, to be trained: trial {', '.join(map(str, again))}")
        validate_front(store, looked_at, evaluation.execution.device, tell)
        return SearchResult(store.report_records(), exhausted, time.monotonic() - start)


def evaluation_of(store: StudyStore, images: ImageSets, resources: Resources) -> Evaluation:
    """What is the same for all trainings of a study, on its images.

    Raises:
        UsageError: how its steps run is lost from its folder.
    """
    config = store.config
    return Evaluation(
        study_dir=str(store.folder.resolve()),
        hw=config.hw,
        train_pack=str(images.train.folder),
        val_pack=str(images.val.folder),
        validation_megapixels=config.validation_megapixels,
        training=config.training,
        execution=_execution(store),
        limits_ms=config.limits_ms,
        limits=config.other_limits,
        objectives=config.objectives,
        measure=config.measure,
        threads=_threads(resources),
        evaluator=config.evaluator,
        supernets=config.supernets,
        skip_surely_behind=config.skip_surely_behind,
        longest_rung=config.racing.rungs[-1] if config.racing else None,
        racing=config.racing is not None,
    )


def refuse_changes(store: StudyStore, images: ImageSets, space: SearchSpace) -> None:
    """Whether a study can be trained on as it was begun.

    Raises:
        UsageError: its space, images or supernets are others now, or this machine cannot run its steps.
    """
    check_usable(_execution(store), f"study {store.folder}")
    now = _trained_on(store.config, images, space)
    before = store.environment().get("frozen", {})
    _refuse_differences(store.folder, {name: before.get(name) for name in now}, now)


def _trained_on(config: StudyConfig, images: ImageSets, space: SearchSpace) -> dict[str, Any]:
    """What a study keeps to from its beginning to its end, whatever the target."""
    found = {
        "space": space.frozen(),
        "train_images": images.train.digest,
        "validation_images": images.val.digest,
        "validation_crops": bounded(images.val, config.validation_megapixels).digest,
    }
    if config.supernets:
        found["supernets"] = supernet_digests(config.supernets, [read_space(name) for name in config.space])
    return found


def _threads(resources: Resources) -> int:
    return max(1, int(resources.cpus))


def _refuse_objectives(config: StudyConfig, targets: Sequence[Target]) -> None:
    """Refuses what the targets cannot give, before anything is made.

    Raises:
        UsageError: says which objective or limit, and why.
    """
    wanted = tuple(dict.fromkeys((*config.objectives, *config.limits)))
    for each in targets:
        refuse_missing(wanted, each.profile)
    measured = [name for name in wanted if named(name).known == "measurement" and name != LATENCY.name]
    if measured and config.measure == "uncertain":
        raise UsageError(f"{measured[0]} is never predicted, so it needs --measure all; with uncertain, leave it out")


def _answers(target: Target, hw: str, config: StudyConfig, console: Console) -> bool:
    """Whether a device answers. One that does not is said at once, and so is what takes its place."""
    name = target.profile.name
    silent = first_contact(target)
    if silent is not None:
        assert target.predictor is not None
        text = f"{name} is not measured now: {silent}. Its latencies are PREDICTED: {target.predictor.grounds}"
        console.print(text, style="yellow", soft_wrap=True, highlight=False)
    elif config.measure == "uncertain" and target.predictor is None:
        text = f"{name} has no calibration (`{command('hw calibrate', hw)}`), so every candidate is measured on it"
        console.print(text, style="yellow", soft_wrap=True, highlight=False)
    return silent is None


def _execution(store: StudyStore) -> Execution:
    """How the study's candidates train, as chosen when it began."""
    return parse(store.environment().get("execution"), Execution, f"{store.folder / ENVIRONMENT}: execution")


def _counts(proposals: Proposals) -> str:
    states = Counter(outcome.state for _, outcome in proposals.outcomes.values())
    shown = ("complete", "infeasible", "failed", *(("pruned",) if states["pruned"] else ()))
    return ", ".join(f"{states[state]} {state}" for state in shown)


def _check_there(resources: Resources) -> None:
    """A candidate that asks for more than the machine has would wait for ever."""
    refuse_long_folder()
    cores, gpus = usable_cpus(), torch.cuda.device_count()
    if resources.cpus > cores:
        raise UsageError(f"--cpus-per-trial {resources.cpus:g}: this process may use {cores} cores")
    if resources.gpus > gpus:
        raise UsageError(f"--gpus-per-trial {resources.gpus:g}: torch sees {gpus} GPUs on this machine")


def _looked_at(images: ValidationSet) -> str:
    return f"every candidate is validated on {images}"


def _environment(
    config: StudyConfig, images: ImageSets, looked_at: ValidationSet, threads: int, frozen: dict[str, Any]
) -> dict[str, Any]:
    """What decides or explains the study's figures besides its config; measured once, when it begins.

    Steps are timed with the `threads` of a candidate.
    """
    scale = images.val.scale
    middle = preset("imdeception-c8").at_scale(scale)
    with SharedDevice("cpu", default_device()), stage("execution"):  # another study may be measuring
        # Never compiled: that takes longer than a brief training, for each candidate anew.
        brief = config.training.model_copy(update={"compile": "off"})
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        execution, measured = choose_execution(middle, brief)
        torch.set_num_threads(before)
    return {
        **environment(),
        "execution": execution.model_dump(),
        "execution_measured": measured,
        "bicubic_psnr_db": mean_psnr_rgb(bicubic(scale), looked_at),
        "data": {
            "description": f"{images.description}; {_looked_at(looked_at)}",
            "smallest_lr": images.train.smallest_lr,
            "training_images": list(images.train.names),
            "validation_images": list(images.val.names),
            "left_out": list(images.problems),
        },
        "frozen": frozen,
    }


def _refuse_differences(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    if changed := differences(before, now):
        raise UsageError(
            f"{folder}: the study was begun with another config: {'; '.join(changed)}."
            " Continue it unchanged, or begin another with --name"
        )
