"""A full training: the loop with checkpoints on disk, resumption, and a clean stop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from torch import nn

from nas_sr.arch.network import Network
from nas_sr.arch.weights import save_weights
from nas_sr.config import Training
from nas_sr.data.pack import Pack
from nas_sr.errors import UsageError
from nas_sr.evaluate.evaluate import validation_psnr_rgb
from nas_sr.latency.device_lock import SharedDevice
from nas_sr.records import CurvePoint
from nas_sr.train.execution import choose_execution, default_device
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState, saved_run

CHECKPOINT, BEST = "last.ckpt", "best.safetensors"
_CHECKPOINT_EVERY_S = 300


class Interrupted(Exception):
    """Stopped between two steps on request; the checkpoint is written."""


def checkpointed_training(folder: Path) -> Training:
    """The config of the training that was begun in `folder`.

    Raises:
        UsageError: none was.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.is_file():
        raise UsageError(f"{checkpoint}: nothing to resume; start without --resume")
    return saved_run(checkpoint)[0]


def run_training(
    network: Network,
    training: Training,
    images: Pack,
    validation: Pack,
    folder: Path,
    *,
    resume: bool,
    stepped: Callable[[TrainingState], None],
    validated: Callable[[CurvePoint], None],
) -> TrainingState:
    """Trains `network` to the end, leaving `last.ckpt` and `best.safetensors` in `folder`.

    `stepped` is told of every step, `validated` of every validation. The first validation is of the start itself, so
    that the best weights are never worse than what came in.

    Raises:
        Interrupted: SIGINT or SIGTERM came; `--resume` continues from the checkpoint.
        Diverged: the training cannot recover.
    """

    def validate(judged: nn.Module) -> float:
        return validation_psnr_rgb(judged, validation)

    def keep(point: CurvePoint) -> None:
        state.save(folder / CHECKPOINT)
        save_weights(state.best, state.spec, folder / BEST)
        validated(point)

    with SharedDevice("cpu", default_device()) as device, _stop_requests() as asked_to_stop:
        execution = saved_run(folder / CHECKPOINT)[1] if resume else choose_execution(network.spec, training)[0]
        state = TrainingState(network, training, execution)
        if resume:
            state.restore(folder / CHECKPOINT)
        saved_at = time.monotonic()

        def between_steps() -> None:
            nonlocal saved_at
            if asked_to_stop():
                state.save(folder / CHECKPOINT)
                raise Interrupted
            if time.monotonic() - saved_at > _CHECKPOINT_EVERY_S:
                state.save(folder / CHECKPOINT)
                saved_at = time.monotonic()
            device.step_boundary()
            stepped(state)

        if state.position == 0:
            start = validate(state.judged)
            state.keep_if_best(start)
            keep(CurvePoint(0, float("nan"), start, 0.0))
        for point in train(state, images, validate, between_steps):
            keep(point)
    return state


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
