"""Training on any device, held against the CPU or against itself run another way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from nas_sr.config import Phase, Training
from nas_sr.data.batches import Batches
from nas_sr.data.pack import Pack
from nas_sr.data.resident import ResidentPixels
from nas_sr.evaluate.upscalers import full_precision
from nas_sr.evaluate.validation import validation_psnr_rgb
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import build
from nas_sr.families.presets import preset
from nas_sr.train.execution import Execution, choose_execution
from nas_sr.train.gradients import accumulate_gradients
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState
from tests.gpu.profiles import SMALL
from tests.train.collected import Collected
from tests.train.quick import demonstration

FIRST_SCALE = 2.0**40  # no fp16 gradient survives it


class Trained(NamedTuple):
    """A training that is over."""

    state: TrainingState
    losses: list[float]
    said: list[str]


def trained(
    execution: Execution, spec: ImdeceptionSpec = SMALL, *, scale: float | None = None, **phase: object
) -> Trained:
    """A brief training on the demonstration images; `scale` is that of fp16's gradients to begin with."""
    values = {"steps": 8, "batch": 4, "crop_lr": 16, "validate_every": 1000, **phase}
    training = Training(phases=(Phase.model_validate(values),), precision=execution.precision)
    state = TrainingState(build(spec, 0), training, execution)
    if scale is not None:
        state.scaler.load_state_dict({**state.scaler.state_dict(), "scale": scale})
    told = Collected()
    for _ in train(
        state,
        demonstration().train,
        lambda network: 25.0,
        on_event=told,
    ):
        pass
    return Trained(state, told.losses, told.messages)


class Difference(NamedTuple):
    """Largest differences from the CPU."""

    gradient: float  # of the first batch, as a share of its norm
    loss: float  # of a step, as a share of it
    psnr_db: float  # after the last step


def from_the_cpu(device: str) -> Difference:
    """A device in fp32, without TF32, against the CPU: the same first batch, the same steps, the same validation."""
    with full_precision():
        ours, theirs = (trained(Execution(device=each)) for each in (device, "cpu"))
        mine, other = (_first_gradient(each) for each in (device, "cpu"))
    validation = demonstration().val
    psnrs = [validation_psnr_rgb(each.state.network, validation) for each in (ours, theirs)]
    return Difference(
        float((mine - other).norm() / other.norm()),
        max(abs(a / b - 1) for a, b in zip(ours.losses, theirs.losses, strict=True)),
        abs(psnrs[0] - psnrs[1]),
    )


def _first_gradient(device: str) -> Tensor:
    phase = Phase(steps=1, batch=4, crop_lr=16)
    execution = Execution(device=device)
    state = TrainingState(build(SMALL, 0), Training(phases=(phase,)), execution)
    lr, hr = (execution.images(part) for part in Batches(demonstration().train, 16, 4, 0).at(0))
    accumulate_gradients(state, phase, lr, hr, 4, lambda text: None)
    return torch.cat([each.grad.flatten() for each in state.network.parameters() if each.grad is not None]).cpu()


class Scaled(NamedTuple):
    """A training in fp16 whose first gradients overflow."""

    skipped: int  # steps
    taken: int  # by the optimizer
    scale: float  # at the end
    finite: bool  # whether all weights are
    losses: list[float]


def fp16_that_overflows(device: str, steps: int = 60) -> Scaled:
    """Begins with a scale at which every gradient overflows; each such step halves it and must change nothing else."""
    state, losses, _ = trained(Execution(device=device, precision="fp16"), scale=FIRST_SCALE, steps=steps)
    scale = state.scaler.get_scale()
    taken = max(int(values["step"]) for values in state.optimizer.state_dict()["state"].values())
    finite = all(bool(torch.isfinite(each).all()) for each in state.network.parameters())
    return Scaled(round(torch.tensor(FIRST_SCALE / scale).log2().item()), taken, scale, finite, losses)


class Halved(NamedTuple):
    """A training that ran out of memory and went on in parts, and the same with room."""

    batch: int
    micro_batch: int | None
    loss_difference: float  # largest, as a share
    said: list[str]


def halved(
    execution: Execution, spec: ImdeceptionSpec, limited: AbstractContextManager[object], **phase: object
) -> Halved:
    """The same training with room and, inside `limited`, without."""
    with full_precision():
        whole = trained(execution, spec, **phase)
        losses = whole.losses
        batch = whole.state.training.phases[0].batch
        del whole  # its memory is what the other one must not have
        with limited:
            parts = trained(execution, spec, **phase)
    difference = max(abs(a / b - 1) for a, b in zip(parts.losses, losses, strict=True))
    return Halved(batch, parts.state.micro_batch, difference, parts.said)


@contextmanager
def little_gpu_memory(share_of_peak: float) -> Iterator[None]:
    """This process gets a share of what it needed at most so far: a real out of memory, and nobody else's."""
    needed = torch.cuda.max_memory_allocated()  # when this is entered, after the training with room
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(share_of_peak * needed / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


class Cut(NamedTuple):
    """Crops cut on a device and from the memory-mapped files."""

    same: bool
    device_ms: float  # a batch
    files_ms: float  # likewise, the copy to the device included


def crops(device: str, pack: Pack, steps: int = 20) -> Cut:
    """The same batches both ways."""
    resident = ResidentPixels(pack, device)
    on_device, from_files = Batches(pack, 24, 16, 0, resident), Batches(pack, 24, 16, 0)
    same = all(
        torch.equal(ours.cpu(), theirs)
        for step in range(steps)
        for ours, theirs in zip(on_device.at(step), from_files.at(step), strict=True)
    )
    return Cut(same, _batch_ms(on_device, device, steps), _batch_ms(from_files, device, steps))


def _batch_ms(batches: Batches, device: str, steps: int) -> float:
    execution = Execution(device=device)
    start = time.perf_counter()
    for step in range(steps):
        for part in batches.at(step):
            execution.images(part)
    if device != "cpu":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps * 1e3


def executions(device: str, **training: object) -> tuple[Execution, list[dict]]:
    """What is chosen for the middle preset on a device, and every step time that was measured for it."""
    config = Training.model_validate({"phases": [{"steps": 1, "batch": 16, "crop_lr": 48}], **training})
    return choose_execution(preset("imdeception-c8"), config, device)
