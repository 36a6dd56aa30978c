"""Trainings of several lengths, the rungs, that share warm-up and constant rate; each has a decay that branches off.

The state before a decay is kept. A longer training goes on from there and equals, bit for bit, one of its length that
was never interrupted; of the shorter one only the decay was spent on nothing but its score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from nas_sr.config import Training, WarmupConstantDecay
from nas_sr.data.pack import Pack
from nas_sr.digest import digest
from nas_sr.errors import UsageError
from nas_sr.families.network import FamilyNetwork
from nas_sr.families.torch_file import NotLoadable, read_torch_file
from nas_sr.files import replacing
from nas_sr.records import CurvePoint
from nas_sr.train.execution import Execution
from nas_sr.train.loop import Validate, train
from nas_sr.train.schedules import learning_rate
from nas_sr.train.state import TrainingState

_FORMAT = 1
_KEEP_EVERY = 1_000  # steps at the constant rate, so that a killed long training does not begin anew


def refuse_no_rungs(training: Training) -> None:
    """Whether a training can be made longer later.

    Raises:
        UsageError: it has several phases, or a schedule without a constant part that any decay could branch off.
    """
    if len(training.phases) != 1 or not isinstance(training.phases[0].schedule, WarmupConstantDecay):
        raise UsageError(
            "rungs need a training of one phase whose schedule is warmup_constant_decay, but got "
            + ", then ".join(phase.schedule.kind for phase in training.phases)
        )


def at_rung(training: Training, steps: int) -> Training:
    """A study's training, whose length is the first rung, over so many steps: it warms up as the first rung does.

    Raises:
        UsageError: see `refuse_no_rungs`.
    """
    refuse_no_rungs(training)
    (phase,) = training.phases
    schedule = phase.schedule
    assert isinstance(schedule, WarmupConstantDecay)
    if schedule.warmup_steps is None:
        warmup_steps = round(schedule.warmup * phase.steps) or None
        schedule = schedule.model_copy(update={"warmup": 0.0, "warmup_steps": warmup_steps})
    return training.model_copy(update={"phases": (phase.model_copy(update={"steps": steps, "schedule": schedule}),)})


def branch_step(training: Training) -> int:
    """Steps done when the decay begins; those before it are the same in every longer training of `at_rung`."""
    (phase,) = training.phases
    schedule = phase.schedule
    assert isinstance(schedule, WarmupConstantDecay)
    done = min(phase.steps, round(phase.steps * (1 - schedule.decay)) + 1)
    # Rounding must not take a step along that decays already.
    while done and learning_rate(phase, done - 1) < phase.learning_rate and done > (schedule.warmup_steps or 0):
        done -= 1
    return done


def begin_rung(
    network: FamilyNetwork, training: Training, steps: int, execution: Execution, images: Pack, kept: Path
) -> tuple[TrainingState, str]:
    """The state that a training of `steps` steps begins with, and why it begins anew though a state was kept.

    Args:
        network: at its start, which is that of every rung.
        training: of the first rung.
        steps: of this one.
        execution: how steps run.
        images: what is trained on.
        kept: the file that the last rung left; missing before the first.
    """
    state = TrainingState(network, at_rung(training, steps), execution)
    if not kept.exists():
        return state, ""
    try:
        values = _read(kept, _identity(state, images))
        if values["position"] > branch_step(state.training):
            raise _NotUsable(f"it is at step {values['position']}, where {steps} steps already decay")
        state.restore(values)
    except (_NotUsable, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error) if isinstance(error, _NotUsable) else "its contents are not those of a training"
        return TrainingState(network, at_rung(training, steps), execution), f"{kept}: {reason}"
    return state, ""


def train_rung(
    state: TrainingState,
    images: Pack,
    validate: Validate,
    kept: Path,
    between_steps: Callable[[], None] = lambda: None,
) -> Iterator[CurvePoint]:
    """Trains on to the end of the rung, and leaves the state before its decay in `kept`. See `loop.train`."""
    began, branch = state.position, branch_step(state.training)
    identity = _identity(state, images)

    def before_step() -> None:
        between_steps()
        at = state.position
        if began < at <= branch and (at == branch or at % _KEEP_EVERY == 0):
            _write(kept, identity, state.values())

    return train(state, images, validate, before_step)


class _NotUsable(Exception):
    """A kept state cannot be continued."""


def _identity(state: TrainingState, images: Pack) -> dict[str, Any]:
    """What a state belongs to: everything that decides it but the length."""
    recipe = state.training.model_dump(mode="json")
    del recipe["phases"][0]["steps"]
    return {
        "network": state.spec.digest,
        "training": digest(recipe),
        "images": images.digest,
        "execution": state.execution.model_dump_json(),
    }


def _write(path: Path, identity: dict[str, Any], values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save({"format": _FORMAT, "of": identity, "values": values}, file)


def _read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    try:
        plain = read_torch_file(path)
    except OSError as error:
        raise _NotUsable(f"cannot be read: {error.strerror or 'input error'}") from None
    except NotLoadable as error:
        raise _NotUsable(error.what) from None
    if not isinstance(plain, dict) or plain.get("format") != _FORMAT or not isinstance(plain.get("of"), dict):
        raise _NotUsable("not a state of a rung")
    different = [name for name, value in identity.items() if plain["of"].get(name) != value]
    if different:
        raise _NotUsable(f"of another {' and '.join(different)}")
    values: dict[str, Any] = plain["values"]
    return values
