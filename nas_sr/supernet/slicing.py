"""From shared tensors to the parameters of one network, in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from nas_sr.families.sharing import Part


class Slice:
    """A part, ready to be taken: what is looked up once for a network is kept as indices on a device."""

    def __init__(self, part: Part, device: torch.device | str = "cpu") -> None:
        self.part = part
        self._index = _places(part).to(device)
        self._added = _added(part, device)

    def of(self, shared: Tensor | None) -> Tensor:
        """The parameter, of the part's shape; gradients go to the shared tensor."""
        part = self.part
        if shared is None:
            return torch.full(part.shape, part.level, device=self._index.device)
        taken: Tensor = _Taken.apply(  # type: ignore[no-untyped-call]
            shared, self._index, part.gain
        )
        value = taken.view(part.shape)
        if part.level:
            value = value + part.level
        if self._added is not None:
            index, taps = self._added
            value = value.flatten().index_add(0, index, taps).view(part.shape)
        return value


class _Taken(torch.autograd.Function):
    """Rows of a matrix, each at most once, times a factor. Torch's own `index_select` would add up its gradients one
    after the other, and in no fixed order on a GPU."""

    @staticmethod
    def forward(ctx: Any, shared: Tensor, index: Tensor, gain: float) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape, ctx.gain = shared.shape, gain
        return _matrix(shared).index_select(0, index) * gain

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        found = gradients[0].new_zeros(ctx.shape)
        _matrix(found)[index] = gradients[0] * ctx.gain
        return found, None, None


def _matrix(shared: Tensor) -> Tensor:
    """A row for each kernel, or for each number of a vector."""
    return shared.view(-1, shared.shape[-1]) if shared.dim() > 1 else shared.view(-1, 1)


def _places(part: Part) -> Tensor:
    """The rows of the shared tensor's matrix, in the parameter's order: of every output, its own group's inputs."""
    rows = np.array(part.rows.places)
    if part.columns is None:
        return torch.from_numpy(rows)
    blocks = np.array(part.columns.places).reshape(part.groups, -1)
    own = blocks.repeat(len(rows) // part.groups, axis=0)
    return torch.from_numpy((rows[:, None] * part.columns.of + own).ravel())


def _added(part: Part, device: torch.device | str) -> tuple[Tensor, Tensor] | None:
    """What is fixed, as places in the flat parameter and values."""
    if not part.fixed:
        return None
    taps = part.kernel**2
    first = np.array([(each.row * part.shape[1] + each.column) * taps for each in part.fixed])
    index = (first[:, None] + np.arange(taps)).ravel()
    values = np.array([each.taps for each in part.fixed], np.float32).ravel()
    kept = values != 0
    return torch.from_numpy(index[kept]).to(device), torch.from_numpy(values[kept]).to(device)
