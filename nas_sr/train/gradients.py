"""The gradient of a batch, in parts that fit into memory."""

from __future__ import annotations

import torch
from torch import Tensor

from nas_sr.config import Phase
from nas_sr.errors import WorkError
from nas_sr.out_of_memory import is_out_of_memory
from nas_sr.train.events import Message, OnEvent
from nas_sr.train.state import TrainingState


def accumulate_gradients(
    state: TrainingState, phase: Phase, lr: Tensor, hr: Tensor, batch: int, on_event: OnEvent, first: int = 0
) -> Tensor:
    """Leaves the (scaled) gradients of these images' part of the batch's mean loss in the network, and returns it.

    `lr` and `hr` are this process's share of `batch` images, from image `first` on. Out of memory, the share is done
    again in parts of half the size, which gives the same gradients up to rounding, and `on_event` is told; the size is
    kept in `state`.

    Raises:
        WorkError: memory does not suffice for one image.
    """
    while True:
        images = min(state.micro_batch or len(lr), len(lr))
        try:
            return _accumulated(state, phase, lr, hr, batch, images, first)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside that block, or the failed step's tensors would live on in the traceback.
        state.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if images == 1:
            raise WorkError(
                f"out of memory with one crop of {phase.crop_lr} LR pixels; use a smaller crop_lr, or free the device"
            )
        state.micro_batch = images // 2
        on_event(
            Message(
                f"out of memory with {images} images at once: going on with {state.micro_batch} at a time;"
                f" the batch stays at {batch}"
            )
        )


def _accumulated(
    state: TrainingState, phase: Phase, lr: Tensor, hr: Tensor, batch: int, images: int, first: int
) -> Tensor:
    state.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=lr.device)
    for start in range(0, len(lr), images):
        part = slice(start, start + images)
        with state.execution.autocast():
            loss = state.objective(state.forward, phase, lr[part], hr[part], state.position, first + start)
        loss = loss * (len(lr[part]) / batch)
        state.scaler.scale(loss).backward()
        total += loss.detach()
    return total
