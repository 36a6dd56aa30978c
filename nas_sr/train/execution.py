"""How a training step runs on this machine: device, precision and memory format, chosen by measuring."""

from __future__ import annotations

import time
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas_sr.arch.network import build
from nas_sr.arch.spec import ArchSpec
from nas_sr.config import Config, Training
from nas_sr.train.losses import pixel_loss

_ROUNDS = 3


class Execution(Config):
    """One way to run a step. Weights, gradients and optimizer stay fp32; bf16 is autocast."""

    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"

    def autocast(self) -> torch.autocast:
        """The context a forward pass runs in."""
        device = torch.device(self.device).type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def place(self, network: nn.Module) -> nn.Module:
        """The network on this device in this memory format."""
        return network.to(self.device).to(memory_format=self._format)  # type: ignore[call-overload]

    def images(self, batch: Tensor) -> Tensor:
        """A batch on this device in this memory format."""
        return batch.to(self.device, non_blocking=True).contiguous(memory_format=self._format)

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format


def default_device() -> str:
    """`cuda` where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_execution(
    spec: ArchSpec, training: Training, device: str | None = None
) -> tuple[Execution, list[dict[str, Any]]]:
    """The fastest execution for a network like `spec`, among those that `training` leaves open, and what was measured.

    Candidates take turns for three rounds, so that a machine that slows down slows all of them; each one's best step
    counts.
    """
    device = device or default_device()
    precisions = ["fp32", "bf16"] if training.precision == "auto" else [training.precision]
    formats = ["contiguous", "channels_last"] if training.memory_format == "auto" else [training.memory_format]
    candidates = [
        Execution.model_validate({"device": device, "precision": precision, "memory_format": memory_format})
        for precision in precisions
        for memory_format in formats
    ]
    if len(candidates) == 1:
        return candidates[0], []
    steps = [_Step(candidate, spec, training) for candidate in candidates]
    for step in steps:
        step.seconds()  # allocations and kernel selection happen in the first one
    best = [min(times) for times in zip(*([step.seconds() for step in steps] for _ in range(_ROUNDS)), strict=True)]
    measured = [
        {**candidate.model_dump(), "step_ms": round(seconds * 1e3, 2)}
        for candidate, seconds in zip(candidates, best, strict=True)
    ]
    return candidates[best.index(min(best))], measured


class _Step:
    """A real training step on random images, to be timed."""

    def __init__(self, execution: Execution, spec: ArchSpec, training: Training) -> None:
        self.execution = execution
        self.phase = training.phases[0]
        self.network = execution.place(build(spec, seed=0))
        self.optimizer = torch.optim.Adam(self.network.parameters())
        side = self.phase.crop_lr
        self.lr = execution.images(torch.rand(self.phase.batch, 3, side, side))
        self.hr = execution.images(torch.rand(self.phase.batch, 3, side * spec.scale, side * spec.scale))

    def seconds(self) -> float:
        start = time.perf_counter()
        with self.execution.autocast():
            output = self.network(self.lr)
        pixel_loss(self.phase, output.float(), self.hr).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.execution.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start
