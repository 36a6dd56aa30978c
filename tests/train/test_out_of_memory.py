"""Memory that runs out is told by its class where it has one, else by its words; other faults are passed on."""

import pytest
import torch

from nas_sr.config import Phase, Training
from nas_sr.errors import WorkError
from nas_sr.families.imdeception.network import Network
from nas_sr.families.network import build
from nas_sr.out_of_memory import is_out_of_memory
from nas_sr.train.execution import Execution, choose_execution
from nas_sr.train.gradients import accumulate_gradients
from nas_sr.train.state import TrainingState
from tests.train.collected import Collected
from tests.train.quick import SPEC

PHASE = Phase(steps=1, batch=4, crop_lr=8)
TRAINING = Training(phases=(PHASE,), precision="fp32", memory_format="contiguous")
OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory"),  # what asks the driver itself, such as loading a kernel
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    MemoryError(),
]


def _too_small_for_two(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    forward = Network.forward

    def limited(self: Network, image: torch.Tensor) -> torch.Tensor:
        if len(image) > 1:
            raise error
        return forward(self, image)

    monkeypatch.setattr(Network, "forward", limited)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_whatever_way_it_is_said_the_batch_is_halved(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    state = TrainingState(build(SPEC, 0), TRAINING, Execution())
    told = Collected()
    _too_small_for_two(monkeypatch, error)
    accumulate_gradients(state, PHASE, torch.rand(4, 3, 8, 8), torch.rand(4, 3, 32, 32), 4, told)
    assert state.micro_batch == 1
    assert [text.split(":")[0] for text in told.messages] == [f"out of memory with {n} images at once" for n in (4, 2)]
    assert len(choose_execution(SPEC, Training(phases=(PHASE,)), "cpu")[1]) == 4


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("Given groups=1, weight of size [8, 3, 3, 3], expected input[1, 4, 8, 8] to have 3 channels"),
        ValueError("out of memory"),
    ],
    ids=str,
)
def test_another_fault_is_passed_on_and_halves_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    state = TrainingState(build(SPEC, 0), TRAINING, Execution())
    _too_small_for_two(monkeypatch, error)
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught:
        accumulate_gradients(state, PHASE, torch.rand(4, 3, 8, 8), torch.rand(4, 3, 32, 32), 4, lambda text: None)
    assert caught.value is error
    assert state.micro_batch is None


def test_one_image_that_does_not_fit_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    state = TrainingState(build(SPEC, 0), TRAINING, Execution())
    monkeypatch.setattr(Network, "forward", lambda self, image: (_ for _ in ()).throw(OUT_OF_MEMORY[1]))
    with pytest.raises(WorkError, match="one crop of 8 LR pixels; use a smaller crop_lr"):
        accumulate_gradients(state, PHASE, torch.rand(4, 3, 8, 8), torch.rand(4, 3, 32, 32), 4, lambda text: None)
