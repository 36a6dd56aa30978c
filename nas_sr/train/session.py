"""One process's part in a full training: all of it, or a share of every batch."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from nas_sr.data.pack import Pack
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, build
from nas_sr.families.weights import save_weights
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.out_of_memory import is_out_of_memory
from nas_sr.records import CurvePoint
from nas_sr.train.checkpoint import Checkpoint, Run, described
from nas_sr.train.events import Began, Callback, Message, OnEvent, Saved, Scored, TrainingEvent, Validated
from nas_sr.train.execution import Execution, choose_execution, default_device, explained, resumed_execution
from nas_sr.train.group import Group
from nas_sr.train.loop import train
from nas_sr.train.losses import Objective, pixel_objective
from nas_sr.train.samples import sample_crops
from nas_sr.train.state import TrainingState

_CHECKPOINT_EVERY_S = 300


class Interrupted(Exception):
    """Stopped between two steps on request; the checkpoint is written."""


class Subject(ABC):
    """What a training trains: how it is made, what its steps minimise, what it is judged by, and how it is kept."""

    objective: Objective  # once there is a network

    @abstractmethod
    def network(self, spec: Spec, weights: dict[str, Tensor]) -> FamilyNetwork:
        """What is trained, with these weights."""

    @abstractmethod
    def psnr_db(self, judged: nn.Module, validation: Pack, give_way: Callable[[], None]) -> dict[str, float]:
        """Of every network that it is judged by, by name; the mean decides. `give_way` lets a measurement have the
        device."""

    @abstractmethod
    def save(self, weights: dict[str, Tensor], spec: Spec, path: Path) -> None:
        """Writes weights for others to read."""


class NetworkSubject(Subject):
    """One network, from images."""

    objective = staticmethod(pixel_objective)

    def network(self, spec: Spec, weights: dict[str, Tensor]) -> FamilyNetwork:
        """See `Subject`."""
        network = build(spec, seed=0)
        network.load_state_dict(weights)
        return network

    def psnr_db(self, judged: nn.Module, validation: Pack, give_way: Callable[[], None]) -> dict[str, float]:
        """Its own, on all validation images."""
        return {"": validation_psnr_rgb(judged, validation, give_way)}

    def save(self, weights: dict[str, Tensor], spec: Spec, path: Path) -> None:
        """As safetensors that name their own architecture."""
        save_weights(weights, spec, path)


class TrainingJob(NamedTuple):
    """What is to be trained, from where, and on what; a process on another machine can do its share of it."""

    run: Run
    spec: Spec
    weights: dict[str, Tensor]  # to start from
    checkpoint: Checkpoint | None  # to go on from
    training_pack: Path
    validation_pack: Path
    subject: Subject = NetworkSubject()


def carry_out(job: TrainingJob, callback: Callback, group: Group | None = None, *, shares_devices: bool = True) -> None:
    """Trains to the end.

    In a group only the first process validates, and only its `callback` is given more than messages.

    `shares_devices`: whether this process lets measurements have its devices; one process a machine is enough,
    because the others wait for it before every step.

    Raises:
        UsageError: the images are not on this machine, or are others.
        WorkError: the device's memory does not suffice.
        Interrupted: the callback asked to stop; a checkpoint was given to it.
        Diverged: the training cannot recover.
    """
    group = group or Group(device=default_device())
    first = group.rank == 0
    images = _pack(job.training_pack, job.run.training_images)
    validation = _pack(job.validation_pack, job.run.validation_images)
    with ExitStack() as held:
        devices = held.enter_context(SharedDevice("cpu", group.device)) if shares_devices else None

        def on_event(event: TrainingEvent) -> None:
            if first or isinstance(event, Message):
                callback.on_event(event)

        state = _state(job, group, on_event)
        saved_at = time.monotonic()

        def give_way() -> None:
            if devices:
                devices.step_boundary()

        def validate(judged: nn.Module) -> float:
            if not first:
                return group.first(math.nan)
            found = _psnr_db(job.subject, judged, validation, give_way)
            if len(found) > 1:
                on_event(Scored(state.position, found))
            return group.first(sum(found.values()) / len(found))

        def save() -> None:
            nonlocal saved_at
            saved_at = time.monotonic()
            if first:
                callback.on_event(Saved(Checkpoint(job.run, state.spec, state.execution, state.values())))

        def between_steps() -> None:
            give_way()
            if group.any(first and callback.stop_requested()):
                save()
                raise Interrupted
            if time.monotonic() - saved_at > _CHECKPOINT_EVERY_S:
                save()

        def validated(point: CurvePoint) -> None:
            save()
            if first:
                crops = sample_crops(state.judged, validation) if job.run.config.tensorboard else None
                callback.on_event(Validated(point, state.best_psnr_db, crops))

        on_event(Began(state.position, state.best_psnr_db))
        if math.isnan(state.start_psnr_db):
            state.start_psnr_db = validate(state.judged)
            state.keep_if_best(state.start_psnr_db)
            validated(CurvePoint(0, math.nan, state.start_psnr_db, 0.0))
        for point in train(state, images, validate, between_steps, on_event=on_event, group=group):
            validated(point)


def _psnr_db(subject: Subject, judged: nn.Module, validation: Pack, give_way: Callable[[], None]) -> dict[str, float]:
    try:
        return subject.psnr_db(judged, validation, give_way)
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


def _state(job: TrainingJob, group: Group, on_event: OnEvent) -> TrainingState:
    network, objective = job.subject.network(job.spec, job.weights), job.subject.objective
    training, checkpoint = job.run.training, job.checkpoint
    if checkpoint is None:
        return TrainingState(network, training, _chosen(job, group, on_event), objective)
    state = TrainingState(network, training, _resumed(job, checkpoint, group, on_event), objective)
    state.restore(checkpoint.values)
    if training.micro_batch != checkpoint.run.training.micro_batch:
        state.micro_batch = training.micro_batch
    return state


def _chosen(job: TrainingJob, group: Group, on_event: OnEvent) -> Execution:
    """How steps run: the first process decides for all."""
    text = ""
    if group.rank == 0:
        execution, measured = choose_execution(job.spec, job.run.training, group.device, group.size)
        on_event(Message(explained(execution, measured)))
        text = execution.model_dump_json()
    return Execution.model_validate_json(group.first_text(text))


def _resumed(job: TrainingJob, checkpoint: Checkpoint, group: Group, on_event: OnEvent) -> Execution:
    """How steps go on: likewise, each process on its own device."""
    text = ""
    if group.rank == 0:
        begun_on = checkpoint.execution
        execution, changed = resumed_execution(begun_on, job.spec, job.run.training, group.device, group.size)
        on_event(Message(f"steps run on {execution}, as when it was begun{changed}"))
        text = execution.model_dump_json()
    return Execution.model_validate_json(group.first_text(text)).model_copy(update={"device": group.device})
