"""How a training step runs on this machine: device, precision and memory format, chosen by measuring.

CUDA, fp16 included, is the same code; it has not been run: no GPU was at hand.
"""

from __future__ import annotations

import math
import time
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas_sr.arch.network import build
from nas_sr.arch.spec import ArchSpec
from nas_sr.config import Config, Training
from nas_sr.errors import WorkError
from nas_sr.train.losses import pixel_loss

_ROUNDS = 3


class Execution(Config):
    """One way to run a step. Weights, gradients and optimizer stay fp32; bf16 and fp16 are autocast."""

    device: str = "cpu"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"

    def autocast(self) -> torch.autocast:
        """The context a forward pass runs in."""
        half = torch.float16 if self.precision == "fp16" else torch.bfloat16
        return torch.autocast(self._device_type, dtype=half, enabled=self.precision != "fp32")

    def scaler(self) -> torch.amp.GradScaler:
        """Scales the loss so that small gradients survive fp16; does nothing for the other precisions."""
        return torch.amp.GradScaler(self._device_type, enabled=self.precision == "fp16")

    def place(self, network: nn.Module) -> nn.Module:
        """The network on this device in this memory format."""
        return network.to(self.device).to(memory_format=self._format)  # type: ignore[call-overload]

    def images(self, batch: Tensor) -> Tensor:
        """A batch on this device in this memory format."""
        return batch.to(self.device, non_blocking=True).contiguous(memory_format=self._format)

    def __str__(self) -> str:
        return f"{self.device}, {self.precision}, {self.memory_format}"

    @property
    def _device_type(self) -> str:
        return torch.device(self.device).type

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format


def default_device() -> str:
    """`cuda` where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_execution(
    spec: ArchSpec, training: Training, device: str | None = None, workers: int = 1
) -> tuple[Execution, list[dict[str, Any]]]:
    """The fastest execution for a network like `spec`, among those that `training` leaves open, and what was measured.

    Candidates take turns for three rounds, so that a machine that slows down slows all of them; each one's best step
    counts. With `workers` a step is one worker's share of the batch. Where memory does not suffice for it, fewer
    images are measured.

    Raises:
        WorkError: a step on one image runs out of memory.
    """
    device = device or default_device()
    precisions = [training.precision]
    if training.precision == "auto":
        precisions = ["fp32", "bf16", "fp16"] if torch.device(device).type == "cuda" else ["fp32", "bf16"]
    formats = ["contiguous", "channels_last"] if training.memory_format == "auto" else [training.memory_format]
    candidates = [
        Execution.model_validate({"device": device, "precision": precision, "memory_format": memory_format})
        for precision in precisions
        for memory_format in formats
    ]
    if len(candidates) == 1:
        return candidates[0], []
    images = math.ceil(training.phases[0].batch / workers)
    best = _best_seconds(candidates, spec, training, min(images, training.micro_batch or images))
    measured = [
        {**candidate.model_dump(), "step_ms": round(seconds * 1e3, 2)}
        for candidate, seconds in zip(candidates, best, strict=True)
    ]
    return candidates[best.index(min(best))], measured


def explained(chosen: Execution, measured: list[dict[str, Any]]) -> str:
    """How steps run and why, for people."""
    if not measured:
        return f"steps run on {chosen}, as the config says"
    by_time = sorted(measured, key=lambda entry: entry["step_ms"])
    times = [f"{entry['precision']} {entry['memory_format']} {entry['step_ms']:.0f} ms" for entry in by_time]
    return f"steps run on {chosen}, the fastest measured: {', '.join(times)}"


def _best_seconds(candidates: list[Execution], spec: ArchSpec, training: Training, images: int) -> list[float]:
    while images:
        try:
            steps = [_Step(candidate, spec, training, images) for candidate in candidates]
            for step in steps:
                step.seconds()  # allocations and kernel selection happen in the first one
            rounds = [[step.seconds() for step in steps] for _ in range(_ROUNDS)]
        except torch.OutOfMemoryError:
            images //= 2
        else:
            return [min(times) for times in zip(*rounds, strict=True)]
    raise WorkError(f"out of memory with one crop of {training.phases[0].crop_lr} LR pixels; use a smaller crop_lr")


class _Step:
    """A real training step on random images, to be timed."""

    def __init__(self, execution: Execution, spec: ArchSpec, training: Training, images: int) -> None:
        self.execution = execution
        self.phase = training.phases[0]
        self.network = execution.place(build(spec, seed=0))
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)
        self.scaler = execution.scaler()
        side = self.phase.crop_lr
        self.lr = execution.images(torch.rand(images, 3, side, side))
        self.hr = execution.images(torch.rand(images, 3, side * spec.scale, side * spec.scale))

    def seconds(self) -> float:
        start = time.perf_counter()
        with self.execution.autocast():
            output = self.network(self.lr)
        self.scaler.scale(pixel_loss(self.phase, output.float(), self.hr)).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.execution.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start
