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
from nas_sr.train.events import Message, OnEvent, Stepped
from nas_sr.train.gradients import accumulate_gradients
from nas_sr.train.group import Group
from nas_sr.train.schedules import learning_rate
from nas_sr.train.state import TrainingState

Validate = Callable[[nn.Module], float]


class Diverged(Exception):
    """The training cannot recover: a loss or gradient is not finite, or the loss exploded."""


def train(
    state: TrainingState,
    images: Pack,
    validate: Validate,
    between_steps: Callable[[], None] = lambda: None,
    *,
    group: Group | None = None,
    on_event: OnEvent = lambda event: None,
) -> Iterator[CurvePoint]:
    """Runs the training on from where `state` stands and yields at every validation.

    Args:
        state: the network and all that goes with it.
        images: the training images.
        validate: the PSNR [dB] of a network, the same in every process of the group.
        between_steps: called before each step: a measurement may hold the device there.
        group: the processes that train together; this one alone by default.
        on_event: given each step after it, and what a user should know.

    Raises:
        Diverged: with the step and the reason.
        WorkError: memory does not suffice for one image, or for all on the device if the config wants them there.
    """
    start = time.perf_counter()
    group = group or Group()
    phases, execution = state.training.phases, state.execution
    crop_bytes = state.training.crop_bytes(images.scale)
    resident = resident_pixels(images, execution.device, state.training.pack_in, crop_bytes)
    if group.rank == 0:
        if resident:
            text = f"all {images.size / 1e9:.2f} GB of training images are on {execution.device}, where crops are cut"
            on_event(Message(text))
        elif execution.device != "cpu":
            text = f"crops are cut by the CPU, from {images.size / 1e9:.2f} GB of memory-mapped training images"
            on_event(Message(text))
    while state.phase < len(phases):
        number, phase = state.phase, phases[state.phase]
        seed = state.training.seed * len(phases) + number
        batches = Batches(images, phase.crop_lr, phase.batch, seed, resident)
        share = group.share(phase.batch)
        while state.phase == number:
            between_steps()
            rate = learning_rate(phase, state.step)
            for parameters in state.optimizer.param_groups:
                parameters["lr"] = rate
            lr, hr = (execution.images(batch[share]) for batch in batches.at(state.step))
            share_loss = accumulate_gradients(state, phase, lr, hr, phase.batch, on_event, share.start)
            loss = group.add_up(share_loss, state.network).item()
            state.scaler.unscale_(state.optimizer)
            norm = torch.nn.utils.clip_grad_norm_(state.network.parameters(), phase.clip)
            _check(state, loss, norm.item())
            state.scaler.step(state.optimizer)
            state.scaler.update()
            if state.averaged is not None:
                _average(state.averaged, state.network, phase.ema, state.step)
            done_in_phase = state.step + 1
            state.position += 1
            on_event(Stepped(state.position, loss, rate, state.best_psnr_db))
            if done_in_phase % phase.validate_every == 0 or done_in_phase == phase.steps:
                psnr_db = validate(state.judged)
                state.keep_if_best(psnr_db)
                mean_loss = state.losses.take_mean()
                if done_in_phase == phase.steps and state.phase < len(phases):
                    state.begin_phase()
                yield CurvePoint(state.position, mean_loss, psnr_db, time.perf_counter() - start)


def _check(state: TrainingState, loss: float, norm: float) -> None:
    state.losses.add(loss)
    where = f"at step {state.position + 1} of {state.training.steps}"
    if not math.isfinite(loss):
        raise Diverged(f"loss became {loss} {where}")
    # In fp16 a gradient may overflow: the step is left out and the scale halved, as long as there is one to halve.
    if not math.isfinite(norm) and state.scaler.get_scale() <= 1:
        raise Diverged(f"gradient norm became {norm} {where}")
    if state.losses.exploded:
        losses = state.losses
        raise Diverged(f"loss is {losses.recent:.4g}, and was {losses.first:.4g} in the first steps, {where}")


@torch.no_grad()
def _average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average; young averages forget faster, so that the start does not linger."""
    weight = 1 - min(decay, (step + 1) / (step + 10))
    for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(value, weight)
