"""One process's part in a full training: all of it, or a share of every batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from nas_sr.data.pack import Pack
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import build
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.out_of_memory import is_out_of_memory
from nas_sr.records import CurvePoint
from nas_sr.train.checkpoint import Checkpoint, Run, described
from nas_sr.train.execution import Execution, choose_execution, default_device, explained, resumed_execution
from nas_sr.train.group import Group
from nas_sr.train.loop import train
from nas_sr.train.samples import sample_crops
from nas_sr.train.state import TrainingState

_CHECKPOINT_EVERY_S = 300


class Interrupted(Exception):
    """Stopped between two steps on request; the checkpoint is written."""


class TrainingJob(NamedTuple):
    """What is to be trained, from where, and on what; a process on another machine can do its share of it."""

    run: Run
    spec: Spec
    weights: dict[str, Tensor]  # to start from
    checkpoint: Checkpoint | None  # to go on from
    training_pack: Path
    validation_pack: Path


class Watch(Protocol):
    """Who is told of a training."""

    def began(self, position: int, best_psnr_db: float) -> None:
        """Before the first step, 0 or where a checkpoint was."""

    def stepped(self, position: int, loss: float, learning_rate: float) -> None:
        """After every step."""

    def validated(self, point: CurvePoint, crops: np.ndarray | None) -> None:
        """After every validation; `crops` is uint8 (height, width, 3)."""

    def saved(self, checkpoint: Checkpoint) -> None:
        """Something to be kept; its tensors are good until the next step."""

    def said(self, text: str) -> None:
        """Something a user should know, in words."""

    def stop_requested(self) -> bool:
        """Asked before every step."""


def carry_out(job: TrainingJob, watch: Watch, group: Group | None = None, *, shares_devices: bool = True) -> None:
    """Trains to the end. In a group only the first process validates, and only its `watch` is told more than words.

    `shares_devices`: whether this process lets measurements have its devices; one process a machine is enough,
    because the others wait for it before every step.

    Raises:
        UsageError: the images are not on this machine, or are others.
        WorkError: the device's memory does not suffice.
        Interrupted: the watch asked to stop; a checkpoint was given to it.
        Diverged: the training cannot recover.
    """
    group = group or Group(device=default_device())
    first = group.rank == 0
    images = _pack(job.training_pack, job.run.training_images)
    validation = _pack(job.validation_pack, job.run.validation_images)
    with ExitStack() as held:
        devices = held.enter_context(SharedDevice("cpu", group.device)) if shares_devices else None
        state = _state(job, group, watch)
        saved_at = time.monotonic()

        def give_way() -> None:
            if devices:
                devices.step_boundary()

        def validate(judged: nn.Module) -> float:
            return group.first(_psnr(judged, validation, give_way) if first else math.nan)

        def save() -> None:
            nonlocal saved_at
            saved_at = time.monotonic()
            if first:
                watch.saved(Checkpoint(job.run, state.spec, state.execution, state.values()))

        def between_steps() -> None:
            give_way()
            if group.any(first and watch.stop_requested()):
                save()
                raise Interrupted
            if time.monotonic() - saved_at > _CHECKPOINT_EVERY_S:
                save()

        def stepped(loss: float, rate: float) -> None:
            if first:
                watch.stepped(state.position, loss, rate)

        def validated(point: CurvePoint) -> None:
            save()
            if first:
                crops = sample_crops(state.judged, validation) if job.run.config.tensorboard else None
                watch.validated(point, crops)

        if first:
            watch.began(state.position, state.best_psnr_db)
        if math.isnan(state.start_psnr_db):
            state.start_psnr_db = validate(state.judged)
            state.keep_if_best(state.start_psnr_db)
            validated(CurvePoint(0, math.nan, state.start_psnr_db, 0.0))
        for point in train(state, images, validate, between_steps, stepped=stepped, group=group, said=watch.said):
            validated(point)


def _psnr(network: nn.Module, validation: Pack, give_way: Callable[[], None]) -> float:
    try:
        return validation_psnr_rgb(network, validation, give_way)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise WorkError(
            f"{validation.folder}: out of memory on a validation image; free the device, or give smaller ones by --val"
        ) from None


def _pack(folder: Path, expected: str) -> Pack:
    pack = Pack(folder)
    if described(pack) != expected:
        raise UsageError(f"{folder}: {described(pack)}, but the training is on {expected}")
    return pack


def _state(job: TrainingJob, group: Group, watch: Watch) -> TrainingState:
    network = build(job.spec, seed=0)
    network.load_state_dict(job.weights)
    training, checkpoint = job.run.training, job.checkpoint
    if checkpoint is None:
        return TrainingState(network, training, _chosen(job, group, watch))
    state = TrainingState(network, training, _resumed(job, checkpoint, group, watch))
    state.restore(checkpoint.values)
    if training.micro_batch != checkpoint.run.training.micro_batch:
        state.micro_batch = training.micro_batch
    return state


def _chosen(job: TrainingJob, group: Group, watch: Watch) -> Execution:
    """How steps run: the first process decides for all."""
    text = ""
    if group.rank == 0:
        execution, measured = choose_execution(job.spec, job.run.training, group.device, group.size)
        watch.said(explained(execution, measured))
        text = execution.model_dump_json()
    return Execution.model_validate_json(group.first_text(text))


def _resumed(job: TrainingJob, checkpoint: Checkpoint, group: Group, watch: Watch) -> Execution:
    """How steps go on: likewise, each process on its own device."""
    text = ""
    if group.rank == 0:
        begun_on = checkpoint.execution
        execution, changed = resumed_execution(begun_on, job.spec, job.run.training, group.device, group.size)
        watch.said(f"steps run on {execution}, as when it was begun{changed}")
        text = execution.model_dump_json()
    return Execution.model_validate_json(group.first_text(text)).model_copy(update={"device": group.device})
