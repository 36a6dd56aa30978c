"""Trainings made short, and someone who is told of them."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nas_sr.config import FullTraining, Phase, Training
from nas_sr.data.image_sets import ImageSets, image_sets
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.train.checkpoint import Checkpoint, Run, write_checkpoint
from nas_sr.train.events import Began, Saved, Stepped, TrainingEvent, Validated
from nas_sr.train.session import Interrupted, TrainingJob, carry_out

SPEC = ImdeceptionSpec(core=4, gidbs=2, depth=2, head=16, nla_after=(1,))
TWO_PHASES = Training(
    phases=(
        Phase(steps=6, loss="charbonnier", batch=3, crop_lr=16, ema=0.9, validate_every=4),
        Phase(steps=5, loss="l2", batch=3, crop_lr=16, validate_every=4),
    ),
    seed=3,
    precision="fp32",
    memory_format="contiguous",
)


def demonstration() -> ImageSets:
    """The images that come with the packages."""
    return image_sets(None, None, 4, 24)


def job(training: Training = TWO_PHASES, checkpoint: Checkpoint | None = None, **config: Any) -> TrainingJob:
    """A training from a start that a few steps make better, or on from a checkpoint."""
    sets = demonstration()
    run = Run(config=FullTraining(training=training, **{"tensorboard": False, **config})).on(sets)
    weights = build(SPEC, training.seed).state_dict()
    weights["out.bias"] += 0.05  # too bright
    return TrainingJob(run, SPEC, weights, checkpoint, sets.train.folder, sets.val.folder)


class Told:
    """A callback that remembers everything, writes checkpoints to `path`, and asks to stop after `stop_after` steps."""

    def __init__(self, path: Path, stop_after: int | None = None) -> None:
        self.path, self.stop_after = path, stop_after
        self.began_at: int | None = None
        self.losses: list[tuple[int, float]] = []
        self.rates: list[float] = []
        self.points: list[tuple[int, float, float]] = []
        self.crops: list[np.ndarray | None] = []
        self.words: list[str] = []
        self._position = 0

    def on_event(self, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            self.began_at = self._position = event.position
        elif isinstance(event, Stepped):
            self._position = event.position
            self.losses.append((event.position, event.loss))
            self.rates.append(event.learning_rate)
        elif isinstance(event, Validated):
            self.points.append(event.point[:3])
            self.crops.append(event.crops)
        elif isinstance(event, Saved):
            write_checkpoint(event.checkpoint, self.path)
        else:
            self.words.append(event.text)

    def stop_requested(self) -> bool:
        return self.stop_after == self._position


def carried_out(work: TrainingJob, told: Told) -> Told:
    """Carries out a job here, to its end or until it was told to stop."""
    try:
        carry_out(work, told)
    except Interrupted:
        assert told.stop_after is not None
    return told


def tensors(value: Any, name: str = "") -> dict[str, Tensor]:
    """All tensors inside nested values, by dotted names."""
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, dict):
        return {key: leaf for k, part in value.items() for key, leaf in tensors(part, f"{name}.{k}").items()}
    return {}
