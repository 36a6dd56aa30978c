"""A full training on disk: checkpoints, best weights, TensorBoard's files, resumption, and a clean stop."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Protocol

import numpy as np

from nas_sr.data.image_sets import ImageSets
from nas_sr.errors import UsageError
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.weights import save_weights
from nas_sr.records import CurvePoint
from nas_sr.train.checkpoint import Checkpoint, Run, refuse_full_disk, refuse_other, write_checkpoint, written_beside
from nas_sr.train.session import TrainingJob, carry_out
from nas_sr.train.tensorboard import TensorBoardLog

CHECKPOINT, BEST, BOARD = "last.ckpt", "best.safetensors", "tensorboard"


class View(Protocol):
    """What a user is shown of a training."""

    def began(self, position: int, best_psnr_db: float) -> None:
        """Before the first step; a resumed training is at `position` already."""

    def stepped(self, position: int, best_psnr_db: float) -> None:
        """After every step."""

    def validated(self, point: CurvePoint, best_psnr_db: float) -> None:
        """After every validation."""

    def said(self, text: str) -> None:
        """Something to know, in words."""


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
    view: View,
    *,
    resumed: Checkpoint | None = None,
    workers: int = 1,
    address: str | None = None,
) -> Trained:
    """Trains `network` to the end, leaving `last.ckpt`, `best.safetensors` and `tensorboard/` in `folder`.

    The first validation is of the start itself, so that the best weights are never worse than what came in. With
    several `workers` each computes a share of every batch, on this machine or the Ray cluster at `address`.

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
    job = TrainingJob(run, network.spec, network.state_dict(), resumed, images.train.folder, images.val.folder)
    with _stop_requests() as asked_to_stop:
        keeper = _Keeper(job, folder, view, asked_to_stop)
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
    """Puts what a session tells onto the disk and before the user's eyes."""

    def __init__(self, job: TrainingJob, folder: Path, view: View, asked_to_stop: Callable[[], bool]) -> None:
        self._run, self._folder, self._view = job.run, folder, view
        self._board: TensorBoardLog | None = None
        self._best_psnr_db = -math.inf
        self.trained = _trained(job.checkpoint) if job.checkpoint else None
        self.stop_requested = asked_to_stop
        self.said = view.said

    def began(self, position: int, best_psnr_db: float) -> None:
        self._best_psnr_db = best_psnr_db
        self._view.began(position, best_psnr_db)
        if self._run.config.tensorboard:
            self._board = TensorBoardLog(self._folder / BOARD, position, self._run.training.steps, self.said)

    def stepped(self, position: int, loss: float, learning_rate: float) -> None:
        self._view.stepped(position, self._best_psnr_db)
        if self._board:
            self._board.stepped(position, loss, learning_rate)

    def validated(self, point: CurvePoint, crops: np.ndarray | None) -> None:
        self._best_psnr_db = max(self._best_psnr_db, point.psnr_db)
        self._view.validated(point, self._best_psnr_db)
        if self._board:
            self._board.validated(point.step, point.psnr_db, self._best_psnr_db, crops)

    def saved(self, checkpoint: Checkpoint) -> None:
        # The weights first: a finished training that is resumed finds its best ones there.
        with written_beside(self._folder / BEST, self._folder / CHECKPOINT):
            save_weights(checkpoint.values["best"], checkpoint.spec, self._folder / BEST)
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
