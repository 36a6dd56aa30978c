"""From shared tensors to the parameters of one network, in PyTorch."""

from __future__ import annotations

from typing import Any

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
        taken: Tensor = _Taken.apply(shared, self._index, part.gain)
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
    rows = torch.tensor(part.rows.places)
    if part.columns is None:
        return rows
    blocks = torch.tensor(part.columns.places).view(part.groups, -1)
    group = torch.arange(len(rows)) * part.groups // len(rows)
    return (rows[:, None] * part.columns.of + blocks[group]).flatten()


def _added(part: Part, device: torch.device | str) -> tuple[Tensor, Tensor] | None:
    """What is fixed, as places in the flat parameter and values."""
    if not part.fixed:
        return None
    taps = part.kernel**2
    first = torch.tensor([(each.row * part.shape[1] + each.column) * taps for each in part.fixed])
    index = (first[:, None] + torch.arange(taps)).flatten()
    values = torch.tensor([each.taps for each in part.fixed], dtype=torch.float32).flatten()
    kept = values != 0
    return index[kept].to(device), values[kept].to(device)
