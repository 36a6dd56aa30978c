"""TensorBoard's files of a training: loss, learning rate, PSNR, and sample crops.

Events are written by the thread that trains. tensorboardX's own writer hands them to another one, which a full disk
ends without a word and then blocks the training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import image, scalar

from nas_sr.train.events import Message, OnEvent, Stepped, TrainingEvent, Validated

_POINTS = 10_000  # of a curve; the loss is averaged between two


class TensorBoardLog:
    """Writes to a new file in `folder`; what an earlier file says of steps after `position` is hidden."""

    def __init__(self, folder: Path, position: int, steps: int, on_event: OnEvent) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._told = folder, on_event
        self._writer: EventsWriter | None = EventsWriter(str(folder / "events"), f".from_{position}")
        self._every = max(1, steps // _POINTS)
        self._losses: list[float] = []
        hidden_from = position + 1 if position else 0
        self._write(Event(step=hidden_from, session_log=SessionLog(status=SessionLog.START)))

    def on_event(self, event: TrainingEvent) -> None:
        """Adds a step to the curves, or a validation with its crops."""
        if isinstance(event, Stepped):
            self._stepped(event.position, event.loss, event.learning_rate)
        elif isinstance(event, Validated):
            self._validated(event.point.step, event.point.psnr_db, event.best_psnr_db, event.crops)

    def _stepped(self, position: int, loss: float, learning_rate: float) -> None:
        self._losses.append(loss)
        if position % self._every == 0:
            self._add(position, scalar("loss", float(np.mean(self._losses))))
            self._add(position, scalar("learning_rate", learning_rate))
            self._losses.clear()

    def _validated(self, position: int, psnr_db: float, best_psnr_db: float, crops: np.ndarray | None) -> None:
        self._add(position, scalar("psnr_db/validation", psnr_db))
        self._add(position, scalar("psnr_db/best", best_psnr_db))
        if crops is not None:
            self._add(position, image("bicubic | output | original", crops, dataformats="HWC"))
        self._flush()

    def close(self) -> None:
        """Writes what is still to be written."""
        self._flush()
        self._writer = None

    def _add(self, position: int, summary: Summary) -> None:
        self._write(Event(step=position, summary=summary))

    def _write(self, event: Event) -> None:
        if self._writer:
            try:
                self._writer.write_event(event)
            except OSError as error:
                self._give_up(error)

    def _flush(self) -> None:
        if self._writer:
            try:
                self._writer.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._writer = None
        self._told(Message(f"{self._folder}: no more TensorBoard events: {error.strerror}"))
