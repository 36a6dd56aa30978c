"""The one training loop: a search's brief training and an export's full training are the same code."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from nas_sr.data.batches import Batches
from nas_sr.data.pack import Pack
from nas_sr.data.resident import resident_pixels
from nas_sr.records import CurvePoint
from nas_sr.train.losses import pixel_loss
from nas_sr.train.schedules import learning_rate
from nas_sr.train.state import TrainingState

Validate = Callable[[nn.Module], float]


class Diverged(Exception):
    """The training cannot recover: a loss or gradient is not finite, or the loss grew tenfold."""


def train(
    state: TrainingState, images: Pack, validate: Validate, between_steps: Callable[[], None] = lambda: None
) -> Iterator[CurvePoint]:
    """Runs the training on from where `state` stands and yields at every validation.

    `between_steps` is called before each step: a measurement may hold the device there.

    Raises:
        Diverged: with the step and the reason.
    """
    start = time.perf_counter()
    phases, execution = state.training.phases, state.execution
    crop_bytes = state.training.crop_bytes(images.scale)
    resident = resident_pixels(images, execution.device, state.training.pack_in, crop_bytes)
    state.crops_cut_on = execution.device if resident else "memory-mapped files"
    while state.phase < len(phases):
        number, phase = state.phase, phases[state.phase]
        seed = state.training.seed * len(phases) + number
        batches = Batches(images, phase.crop_lr, phase.batch, seed, resident)
        losses: list[torch.Tensor] = []
        while state.phase == number:
            between_steps()
            for group in state.optimizer.param_groups:
                group["lr"] = learning_rate(phase, state.step)
            lr, hr = (execution.images(batch) for batch in batches.at(state.step))
            with execution.autocast():
                output = state.network(lr)
            loss = pixel_loss(phase, output.float(), hr)
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), phase.clip)
            _check(state, loss, norm)
            state.optimizer.step()
            if state.averaged is not None:
                _average(state.averaged, state.network, phase.ema, state.step)
            losses.append(loss.detach())
            done_in_phase = state.step + 1
            state.position += 1
            if done_in_phase % phase.validate_every == 0 or done_in_phase == phase.steps:
                psnr_db = validate(state.judged)
                state.keep_if_best(psnr_db)
                mean_loss = float(torch.stack(losses).mean())
                losses.clear()
                if done_in_phase == phase.steps and state.phase < len(phases):
                    state.begin_phase()
                yield CurvePoint(state.position, mean_loss, psnr_db, time.perf_counter() - start)


def _check(state: TrainingState, loss: torch.Tensor, norm: torch.Tensor) -> None:
    value = loss.item()
    if state.step == 0:
        state.first_loss = value
    where = f"at step {state.position + 1} of {state.training.steps}"
    if not math.isfinite(value):
        raise Diverged(f"loss became {value} {where}")
    if not math.isfinite(norm.item()):
        raise Diverged(f"gradient norm became {norm.item()} {where}")
    if value > 10 * state.first_loss:
        raise Diverged(f"loss grew from {state.first_loss:.4g} to {value:.4g} {where}")


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average; young averages forget faster, so that the start does not linger."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, weight)
