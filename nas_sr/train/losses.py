"""The three pixel losses of the field, and what a step minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nas_sr.config import Phase


def pixel_loss(phase: Phase, output: Tensor, target: Tensor) -> Tensor:
    """Mean loss over all pixels and channels; Charbonnier is sqrt(x^2 + eps^2), as in the paper's first phase."""
    if phase.loss == "l1":
        return F.l1_loss(output, target)
    if phase.loss == "l2":
        return F.mse_loss(output, target)
    return torch.sqrt((output - target) ** 2 + phase.charbonnier_eps**2).mean()


class Objective(Protocol):
    """What a step minimises: the mean loss of some images of its batch."""

    def __call__(
        self, forward: Callable[..., Tensor], phase: Phase, lr: Tensor, hr: Tensor, step: int, first: int
    ) -> Tensor:
        """`lr` and `hr` are the images `first`, `first` + 1 ... of the batch of step `step` of the training."""


def pixel_objective(
    forward: Callable[..., Tensor], phase: Phase, lr: Tensor, hr: Tensor, step: int, first: int
) -> Tensor:
    """The phase's loss of the network's output."""
    return pixel_loss(phase, forward(lr).float(), hr)


def hopeless_loss(phase: Phase) -> float:
    """The loss of pixels that are wrong by a tenth of their range."""
    return 0.01 if phase.loss == "l2" else 0.1
