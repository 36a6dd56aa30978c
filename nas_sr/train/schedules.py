"""Learning rate as a pure function of the step, so that resuming cannot get it wrong."""

from __future__ import annotations

import math

from nas_sr.config import Cosine, Knee, Phase


def learning_rate(phase: Phase, step: int) -> float:
    """Learning rate of step `step` (0-based) of `phase`."""
    done = (step + 1) / phase.steps
    share = _cosine(phase.schedule, done) if isinstance(phase.schedule, Cosine) else _knee(phase.schedule, done)
    return phase.learning_rate * share


def _cosine(schedule: Cosine, done: float) -> float:
    if done < schedule.warmup:
        return done / schedule.warmup
    if schedule.warmup == 1:
        return 1.0
    progress = (done - schedule.warmup) / (1 - schedule.warmup)
    return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * progress)) / 2


def _knee(schedule: Knee, done: float) -> float:
    length = schedule.warmup + schedule.hold + schedule.cooldown
    if schedule.after == "stretch":
        done *= length
    elif schedule.after == "restart" and done > length:
        done %= length
    if done < schedule.warmup:
        return done / schedule.warmup
    if done <= schedule.warmup + schedule.hold:
        return 1.0
    if done >= length:
        return schedule.final
    cooled = (done - schedule.warmup - schedule.hold) / schedule.cooldown
    return 1 + (schedule.final - 1) * cooled
