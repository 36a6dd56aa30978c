"""Learning rate as a pure function of the step, so that resuming cannot get it wrong."""

from __future__ import annotations

import math

from nas_sr.config import Cosine, Knee, OneCycle, Phase, Schedule, WarmupConstantDecay


def learning_rate(phase: Phase, step: int) -> float:
    """Learning rate of step `step` (0-based) of `phase`; the last step has the schedule's last rate."""
    schedule = phase.schedule
    if isinstance(schedule, WarmupConstantDecay) and schedule.warmup_steps is not None:
        # Not by way of a share of the phase: phases of different lengths must warm up alike, to the bit.
        if step < schedule.warmup_steps:
            return phase.learning_rate * ((step + 1) / schedule.warmup_steps)
        schedule = schedule.model_copy(update={"warmup": 0.0})
    return phase.learning_rate * share_of_maximum(schedule, (step + 1) / phase.steps)


def share_of_maximum(schedule: Schedule, done: float) -> float:
    """The learning rate, as a share of its maximum, when the share `done` (0 to 1) of the phase is done."""
    if isinstance(schedule, Cosine):
        return _cosine(schedule, done)
    if isinstance(schedule, OneCycle):
        return _one_cycle(schedule, done)
    if isinstance(schedule, WarmupConstantDecay):
        return _warmup_constant_decay(schedule, done)
    return _knee(schedule, done)


def _cosine(schedule: Cosine, done: float) -> float:
    if done < schedule.warmup:
        return done / schedule.warmup
    return _half_cosine(1.0, schedule.final, done, schedule.warmup, 1.0)


def _one_cycle(schedule: OneCycle, done: float) -> float:
    if done < schedule.warmup:
        return _half_cosine(schedule.initial, 1.0, done, 0.0, schedule.warmup)
    return _half_cosine(1.0, schedule.final, done, schedule.warmup, 1.0)


def _warmup_constant_decay(schedule: WarmupConstantDecay, done: float) -> float:
    if done < schedule.warmup:
        return done / schedule.warmup
    return _line(1.0, schedule.final, done, 1 - schedule.decay, 1.0)


def _knee(schedule: Knee, done: float) -> float:
    length = schedule.warmup + schedule.hold + schedule.cooldown
    if schedule.after == "stretch":
        done *= length
    elif schedule.after == "restart" and done > length:
        done %= length
    if done < schedule.warmup:
        return done / schedule.warmup
    return _line(1.0, schedule.final, done, schedule.warmup + schedule.hold, length)


def _line(before: float, after: float, done: float, start: float, end: float) -> float:
    """From `before` at `start` straight to `after` at `end`, constant outside."""
    if done <= start:
        return before
    if done >= end:
        return after
    return before + (after - before) * (done - start) / (end - start)


def _half_cosine(before: float, after: float, done: float, start: float, end: float) -> float:
    """Likewise along half a cosine."""
    return _line(before, after, (1 - math.cos(math.pi * _line(0.0, 1.0, done, start, end))) / 2, 0.0, 1.0)
