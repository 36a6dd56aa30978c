"""A batch in parts is the same batch, whoever decides how large the parts are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from nas_sr.config import Phase, Training
from nas_sr.errors import WorkError
from nas_sr.families.imdeception.network import Network
from nas_sr.families.network import build
from nas_sr.train.execution import Execution, choose_execution
from nas_sr.train.loop import train
from nas_sr.train.state import TrainingState
from tests.train.collected import Collected
from tests.train.quick import SPEC, demonstration

PHASE = Phase(steps=3, loss="charbonnier", batch=5, crop_lr=16, validate_every=3)
FIXED = {"precision": "fp32", "memory_format": "contiguous"}


@contextmanager
def room_for(images: int) -> Iterator[list[int]]:
    """A device on which no network takes more images at once; gives the sizes that were tried."""
    tried: list[int] = []
    forward = Network.forward

    def limited(self: Network, image: torch.Tensor) -> torch.Tensor:
        tried.append(len(image))
        if len(image) > images:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, image)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "forward", limited)
        yield tried


def _trained(micro_batch: int | None = None) -> tuple[TrainingState, list[float], list[str]]:
    told = Collected()
    state = TrainingState(build(SPEC, 0), Training(phases=(PHASE,), micro_batch=micro_batch, **FIXED), Execution())
    for _ in train(
        state,
        demonstration().train,
        lambda network: 25.0,
        on_event=told,
    ):
        pass
    return state, told.losses, told.messages


def _close(ours: nn.Module, theirs: nn.Module) -> bool:
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    return all(torch.allclose(mine, other, atol=2e-5) for mine, other in pairs)


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 9])
def test_accumulated_gradients_are_those_of_the_batch(micro_batch: int) -> None:
    whole, losses, _ = _trained()
    with room_for(micro_batch) as tried:
        parts, in_parts, words = _trained(micro_batch)
    assert max(tried) == min(micro_batch, PHASE.batch)
    assert sum(tried) == PHASE.batch * PHASE.steps
    assert in_parts == pytest.approx(losses, rel=1e-5)
    assert _close(parts.network, whole.network)
    assert words == []


def test_out_of_memory_halves_what_is_held_at_once_and_says_so() -> None:
    whole, losses, _ = _trained()
    with room_for(1) as tried:
        state, in_parts, words = _trained()
    assert tried == [5, 2] + [1] * 5 * 3  # found out once, in the first step
    assert state.micro_batch == state.values()["micro_batch"] == 1
    assert words == [
        "out of memory with 5 images at once: going on with 2 at a time; the batch stays at 5",
        "out of memory with 2 images at once: going on with 1 at a time; the batch stays at 5",
    ]
    assert in_parts == pytest.approx(losses, rel=1e-5)
    assert _close(state.network, whole.network)


def test_out_of_memory_with_one_image_is_said_with_the_remedy() -> None:
    with room_for(0), pytest.raises(WorkError, match="one crop of 16 LR pixels; use a smaller crop_lr"):
        _trained()


def test_choosing_an_execution_needs_no_more_memory_than_training() -> None:
    training = Training(phases=(PHASE,))
    with room_for(2) as tried:
        assert len(choose_execution(SPEC, training, "cpu")[1]) == 4
    assert set(tried) == {5, 2}
    with room_for(0), pytest.raises(WorkError, match="smaller crop_lr"):
        choose_execution(SPEC, training, "cpu")
