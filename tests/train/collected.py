"""An `on_event` that keeps losses and messages."""

from __future__ import annotations

from nas_sr.train.events import Message, Stepped, TrainingEvent


class Collected:
    """What a training told."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.messages: list[str] = []

    def __call__(self, event: TrainingEvent) -> None:
        if isinstance(event, Stepped):
            self.losses.append(event.loss)
        elif isinstance(event, Message):
            self.messages.append(event.text)
