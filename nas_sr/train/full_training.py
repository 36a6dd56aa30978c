"""A full training on disk: checkpoints, best weights, TensorBoard's files, resumption, and a clean stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from nas_sr.data.image_sets import ImageSets
from nas_sr.errors import UsageError
from nas_sr.families.network import FamilyNetwork
from nas_sr.train.checkpoint import Checkpoint, Run, refuse_full_disk, refuse_other, write_checkpoint, written_beside
from nas_sr.train.events import Began, OnEvent, Saved, TrainingEvent
from nas_sr.train.session import NetworkSubject, Subject, TrainingJob, carry_out
from nas_sr.train.tensorboard import TensorBoardLog

CHECKPOINT, BEST, BOARD = "last.ckpt", "best.safetensors", "tensorboard"


class Trained(NamedTuple):
    """What a training came to."""

    steps: int
    start_psnr_db: float
    psnr_db: float  # of the best weights


def run_training(
    network: FamilyNetwork,
    run: Run,
    images: ImageSets,
    folder: Path,
    on_event: OnEvent,
    *,
    resumed: Checkpoint | None = None,
    workers: int = 1,
    address: str | None = None,
    subject: Subject | None = None,
) -> Trained:
    """Trains `network` to the end, leaving `last.ckpt`, `best.safetensors` and `tensorboard/` in `folder`.

    The first validation is of the start itself, so that the best weights are never worse than what came in. `on_event`
    is given all that happens but what is saved. With several `workers` each computes a share of every batch, on this
    machine or the Ray cluster at `address`. `subject` is for what is more than one network.

    Raises:
        UsageError: `resumed` is a checkpoint of something else, or there are more workers than the cluster has room
            for or images in a batch.
        WorkError: no room on the disk or on the device, or a worker died.
        Interrupted: SIGINT or SIGTERM came; the checkpoint is written.
        Diverged: the training cannot recover.
    """
    smallest = min(phase.batch for phase in run.training.phases)
    if workers > smallest:
        raise UsageError(f"{workers} workers cannot share a batch of {smallest}; use {smallest} or fewer")
    if resumed:
        refuse_other(resumed, run, network, folder / CHECKPOINT)
    board = run.config.tensorboard
    validations = sum(-(-phase.steps // phase.validate_every) + 1 for phase in run.training.phases)
    refuse_full_disk(network, validations if board else 0, folder)
    packs = images.train.folder, images.val.folder
    job = TrainingJob(run, network.spec, network.state_dict(), resumed, *packs, subject or NetworkSubject())
    with _stop_requests() as asked_to_stop:
        keeper = _Keeper(job, folder, on_event, asked_to_stop)
        try:
            if workers > 1 or address:
                from nas_sr.train.data_parallel import carry_out_together

                carry_out_together(job, keeper, workers, address)
            else:
                carry_out(job, keeper)
        finally:
            keeper.close()
    assert keeper.trained  # a session always saves
    return keeper.trained


class _Keeper:
    """Puts what happens in a session onto the disk and before the user's eyes."""

    def __init__(self, job: TrainingJob, folder: Path, shown: OnEvent, asked_to_stop: Callable[[], bool]) -> None:
        self._run, self._folder, self._shown = job.run, folder, shown
        self._subject = job.subject
        self._board: TensorBoardLog | None = None
        self.trained = _trained(job.checkpoint) if job.checkpoint else None
        self.stop_requested = asked_to_stop

    def on_event(self, event: TrainingEvent) -> None:
        if isinstance(event, Saved):
            self._save(event.checkpoint)
            return
        self._shown(event)
        if isinstance(event, Began) and self._run.config.tensorboard:
            self._board = TensorBoardLog(self._folder / BOARD, event.position, self._run.training.steps, self._shown)
        if self._board:
            self._board.on_event(event)

    def _save(self, checkpoint: Checkpoint) -> None:
        # The weights first: a finished training that is resumed finds its best ones there.
        with written_beside(self._folder / BEST, self._folder / CHECKPOINT):
            self._subject.save(checkpoint.values["best"], checkpoint.spec, self._folder / BEST)
        write_checkpoint(checkpoint, self._folder / CHECKPOINT)
        self.trained = _trained(checkpoint)

    def close(self) -> None:
        if self._board:
            self._board.close()


def _trained(checkpoint: Checkpoint) -> Trained:
    return Trained(*(checkpoint.values[key] for key in ("position", "start_psnr_db", "best_psnr_db")))


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT and SIGTERM into a question that is asked between steps; a second signal is not held back."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for name, handler in before.items():
            signal.signal(name, handler)

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
