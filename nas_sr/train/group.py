"""The processes that train one network together: each has a share of every batch, and their gradients are added up.

torch's DistributedDataParallel is not used. It averages over workers, which is wrong for unequal shares; it sends
gradients during the backward pass, so that a worker out of memory cannot repeat its share in smaller parts; and what
it gains by that, hiding the transfer, is nothing for the megabyte of gradients of these networks.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Group:
    """The default process group of torch.distributed, or one process alone; `device` is what this process trains on.

    Every method is a meeting: all processes must call it, in the same order.
    """

    def __init__(self, rank: int = 0, size: int = 1, device: str = "cpu") -> None:
        self.rank, self.size, self.device = rank, size, device

    def share(self, batch: int) -> slice:
        """Which images of a batch are this process's; shares differ by one image at most."""
        return slice(batch * self.rank // self.size, batch * (self.rank + 1) // self.size)

    def add_up(self, loss: Tensor, network: nn.Module) -> Tensor:
        """Replaces the gradients by their sums over all processes, and returns the sum of `loss`: one transfer."""
        if self.size == 1:
            return loss
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        together = torch.cat([loss.reshape(1), *(gradient.reshape(-1) for gradient in gradients)])
        dist.all_reduce(together)
        total, *sums = together.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, summed in zip(gradients, sums, strict=True):
            gradient.copy_(summed.view(gradient.shape))
        return total[0]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        flags = torch.tensor([flag], dtype=torch.int32, device=self.device)
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())

    def first(self, value: float) -> float:
        """The first process's value."""
        if self.size == 1:
            return value
        values = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(values, src=0)
        return float(values.item())

    def first_text(self, text: str) -> str:
        """Likewise for a text."""
        if self.size == 1:
            return text
        texts = [text]
        dist.broadcast_object_list(texts, src=0, device=torch.device(self.device))
        return texts[0]
