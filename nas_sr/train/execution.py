"""How a training step runs on this machine: device, precision, memory format, compiled or not, chosen by measuring.

CUDA, fp16 included, is the same code; it has not been run: no GPU was at hand.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nas_sr.config import Config, Training
from nas_sr.errors import WorkError
from nas_sr.families.base import Spec
from nas_sr.families.network import build
from nas_sr.out_of_memory import is_out_of_memory
from nas_sr.train.adam import Adam
from nas_sr.train.losses import pixel_loss

_ROUNDS = 3
_LONG_STEPS = 20_000  # compiling takes a minute or two


class Execution(Config):
    """One way to run a step. Weights, gradients and optimizer stay fp32; bf16 and fp16 are autocast."""

    device: str = "cpu"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    compiled: bool = False

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

    def forward(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """What runs the network on a batch."""
        return torch.compile(network, dynamic=False) if self.compiled else network

    def images(self, batch: Tensor) -> Tensor:
        """A batch on this device in this memory format."""
        return batch.to(self.device, non_blocking=True).contiguous(memory_format=self._format)

    def __str__(self) -> str:
        return ", ".join([self.device, self.precision, self.memory_format, *(["compiled"] if self.compiled else [])])

    @property
    def _device_type(self) -> str:
        return torch.device(self.device).type

    @property
    def _format(self) -> torch.memory_format:
        return torch.channels_last if self.memory_format == "channels_last" else torch.contiguous_format


def default_device() -> str:
    """`cuda` where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_usable(execution: Execution, whose: str) -> None:
    """Does one step of a very small network, the way `whose` training runs.

    Raises:
        WorkError: it cannot be done here now; says why and what helps.
    """
    try:
        convolution = execution.place(nn.Conv2d(3, 3, 3))
        with execution.autocast():
            output = convolution(execution.images(torch.rand(1, 3, 8, 8)))
        execution.scaler().scale(output.float().square().mean()).backward()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise WorkError(
            f"{whose} trains on {execution}, which cannot be done here now: {_first_line(error)} (torch sees"
            f" {torch.cuda.device_count()} GPUs); bring that back (`nas-sr doctor`), or begin another study with --name"
        ) from error


def choose_execution(
    spec: Spec, training: Training, device: str | None = None, workers: int = 1
) -> tuple[Execution, list[dict[str, Any]]]:
    """The fastest execution for a network like `spec`, among those that `training` leaves open, and what was measured.

    Candidates take turns for three rounds, so that a machine that slows down slows all of them; each one's best step
    counts. The fastest is then tried compiled, where `training` wants that. With `workers` a step is one worker's share
    of the batch. Where memory does not suffice for it, fewer images are measured.

    Raises:
        WorkError: a step on one image runs out of memory, or the config demands compiling and it fails.
    """
    device = device or default_device()
    on_gpu = torch.device(device).type == "cuda"
    precisions = [training.precision]
    if training.precision == "auto":
        precisions = ["fp32", "bf16", "fp16"] if on_gpu else ["fp32", "bf16"]
    formats = ["contiguous", "channels_last"] if training.memory_format == "auto" else [training.memory_format]
    candidates = [
        Execution.model_validate({"device": device, "precision": precision, "memory_format": memory_format})
        for precision in precisions
        for memory_format in formats
    ]
    share = math.ceil(training.phases[0].batch / workers)
    images = min(share, training.micro_batch or share)
    chosen, measured = _fastest(candidates, spec, training, images) if len(candidates) > 1 else (candidates[0], [])
    if training.compile == "on" or (training.compile == "auto" and on_gpu and training.steps >= _LONG_STEPS):
        compiled = chosen.model_copy(update={"compiled": True})
        try:
            faster, again = _fastest([chosen, compiled], spec, training, images)
        except (RuntimeError, WorkError) as error:  # what torch raises where a compiler, Triton or memory is missing
            if training.compile == "on":
                raise _compiling_fails(error) from error
            return chosen, [*measured, {**compiled.model_dump(), "step_ms": None, "failed": _first_line(error)}]
        measured = [*(each for each in measured if _of(each) != chosen), *again]
        chosen = compiled if training.compile == "on" else faster
    return chosen, measured


def resumed_execution(
    begun_on: Execution, spec: Spec, training: Training, device: str, workers: int = 1
) -> tuple[Execution, str]:
    """How a training goes on that was begun on `begun_on`, and in a few words what is not as it was, if anything.

    Compiled only if that still works, is still wanted, and the device is of the same kind.

    Raises:
        WorkError: the config demands compiling and it fails.
    """
    same = begun_on.model_copy(update={"device": device})
    elsewhere = "" if device == begun_on.device else f"; begun on {begun_on.device}"
    plain = same.model_copy(update={"compiled": False})
    wanted = training.compile == "on" or (
        training.compile == "auto" and begun_on.compiled and torch.device(device).type == begun_on._device_type
    )
    if not wanted:
        return plain, elsewhere + ("; no longer compiled" if begun_on.compiled else "")
    share = math.ceil(training.phases[0].batch / workers)
    compiled = same.model_copy(update={"compiled": True})
    try:
        _best_seconds([compiled], spec, training, min(share, training.micro_batch or share))
    except RuntimeError as error:
        if training.compile == "on":
            raise _compiling_fails(error) from error
        return plain, f"{elsewhere}; no longer compiled, which fails here: {_first_line(error)}"
    return compiled, elsewhere + ("" if begun_on.compiled else "; now compiled")


def _compiling_fails(error: Exception) -> WorkError:
    return WorkError(f"compile: on, but torch.compile fails here: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    """Of the reason: torch's own may stand behind one that says which backend raised it."""
    lines = [line for line in str(error).strip().splitlines() if line and not line.startswith("backend=")]
    return next(iter(lines), type(error).__name__)


def explained(chosen: Execution, measured: list[dict[str, Any]]) -> str:
    """How steps run and why, for people."""
    timed = sorted((entry for entry in measured if entry["step_ms"] is not None), key=lambda entry: entry["step_ms"])
    times = [
        f"{entry['precision']} {entry['memory_format']}{' compiled' * entry['compiled']} {entry['step_ms']:.0f} ms"
        for entry in timed
    ]
    failed = "".join(f"; compiling fails here: {entry['failed']}" for entry in measured if entry["step_ms"] is None)
    if not timed:
        return f"steps run on {chosen}, as the config says{failed}"
    why = "the fastest measured" if _of(timed[0]) == chosen else "as the config says, measured"
    return f"steps run on {chosen}, {why}: {', '.join(times)}{failed}"


def _of(entry: dict[str, Any]) -> Execution:
    return Execution.model_validate({name: entry[name] for name in Execution.model_fields})


def _fastest(
    candidates: list[Execution], spec: Spec, training: Training, images: int
) -> tuple[Execution, list[dict[str, Any]]]:
    best = _best_seconds(candidates, spec, training, images)
    measured = [
        {**candidate.model_dump(), "step_ms": round(seconds * 1e3, 2)}
        for candidate, seconds in zip(candidates, best, strict=True)
    ]
    return candidates[best.index(min(best))], measured


def _best_seconds(candidates: list[Execution], spec: Spec, training: Training, images: int) -> list[float]:
    while images:
        try:
            steps = [_Step(candidate, spec, training, images) for candidate in candidates]
            for step in steps:
                step.seconds()  # allocations and kernel selection happen in the first one
            rounds = [[step.seconds() for step in steps] for _ in range(_ROUNDS)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            images //= 2
        else:
            return [min(times) for times in zip(*rounds, strict=True)]
    raise WorkError(f"out of memory with one crop of {training.phases[0].crop_lr} LR pixels; use a smaller crop_lr")


class _Step:
    """A real training step on random images, to be timed."""

    def __init__(self, execution: Execution, spec: Spec, training: Training, images: int) -> None:
        self.execution = execution
        self.phase = training.phases[0]
        self.network = execution.place(build(spec, seed=0))
        self.forward = execution.forward(self.network)
        self.optimizer = Adam(self.network.parameters(), fused=True)
        self.scaler = execution.scaler()
        side = self.phase.crop_lr
        self.lr = execution.images(torch.rand(images, 3, side, side))
        self.hr = execution.images(torch.rand(images, 3, side * spec.scale, side * spec.scale))

    def seconds(self) -> float:
        start = time.perf_counter()
        with self.execution.autocast():
            output = self.forward(self.lr)
        self.scaler.scale(pixel_loss(self.phase, output.float(), self.hr)).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.execution.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter() - start
