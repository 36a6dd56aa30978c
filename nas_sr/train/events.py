"""What happens in a training, for whoever shows it, keeps it or sends it on: one callback takes all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from nas_sr.records import CurvePoint
from nas_sr.train.checkpoint import Checkpoint


class Began(NamedTuple):
    """Before the first step: `position` is 0, or where a checkpoint was."""

    position: int
    best_psnr_db: float


class Stepped(NamedTuple):
    """After a step."""

    position: int
    loss: float
    learning_rate: float
    best_psnr_db: float


class Validated(NamedTuple):
    """After a validation; `crops` is uint8 (height, width, 3), where samples are kept."""

    point: CurvePoint
    best_psnr_db: float
    crops: np.ndarray | None


class Scored(NamedTuple):
    """At a validation that looks at several networks: the PSNR [dB] of each, by name. Their mean is the training's."""

    position: int
    psnr_db: dict[str, float]


class Saved(NamedTuple):
    """Something to be kept; its tensors are good until the next step."""

    checkpoint: Checkpoint


class Message(NamedTuple):
    """Something a user should know, in words."""

    text: str


TrainingEvent = Began | Stepped | Scored | Validated | Saved | Message
OnEvent = Callable[[TrainingEvent], None]


class Callback(Protocol):
    """Takes the events of a training, and may end it."""

    def on_event(self, event: TrainingEvent) -> None:
        """Returns when the event is dealt with: a checkpoint is on the disk."""

    def stop_requested(self) -> bool:
        """Asked before every step."""
