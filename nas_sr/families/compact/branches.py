"""Convolutions that are trained as a sum of branches and deployed as one.

The sums are those of RepVGG (Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR 2021) without batch
normalisation, and of ECBSR (Zhang, Zeng, Zhang: "Edge-oriented Convolution Block for Real-time Super Resolution on
Mobile Devices", ACM MM 2021) without its fixed filters. No branch but the plain 3x3 convolution has a bias, so that
folding is exact at the image's borders too.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from nas_sr.families.base import ConvPlan
from nas_sr.families.network import bias, conv

SMALL = 0.05  # standard deviation of a new branch's weights, relative to He's


class BranchedConv(nn.Module):
    """A 3x3 convolution plus something that can be written as one."""

    def __init__(self, plan: ConvPlan) -> None:
        super().__init__()
        self.conv3x3 = conv(plan)

    @abstractmethod
    def beside(self) -> Tensor:
        """What the other branches are as a 3x3 kernel: (outputs, inputs, 3, 3)."""

    @torch.no_grad()
    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight (outputs, inputs, 3, 3) and bias of the one convolution that computes the same."""
        return self.conv3x3.weight + self.beside(), bias(self.conv3x3).clone()

    @torch.no_grad()
    def unfold(self, weight: Tensor, offset: Tensor) -> None:
        """Lets the sum compute what one convolution of that weight and bias does; other branches stay as they are."""
        self.conv3x3.weight.copy_(weight - self.beside())
        bias(self.conv3x3).copy_(offset)


class SumConv(BranchedConv):
    """3x3 + 1x1 and, where the number of channels stays, the identity."""

    def __init__(self, plan: ConvPlan) -> None:
        super().__init__(plan)
        self.conv1x1 = nn.Conv2d(plan.inputs, plan.outputs, 1, bias=False)
        self.same = plan.inputs == plan.outputs
        nn.init.normal_(self.conv1x1.weight, std=SMALL * (2 / plan.inputs) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        y = self.conv3x3(x) + self.conv1x1(x)
        return y + x if self.same else y

    def beside(self) -> Tensor:
        """The 1x1 kernel, and a one for each channel's own, in the middle of nine."""
        middle = self.conv1x1.weight[:, :, 0, 0]
        if self.same:
            middle = middle + torch.eye(len(middle), dtype=middle.dtype, device=middle.device)
        return nn.functional.pad(middle[:, :, None, None], (1, 1, 1, 1))


class ExpandConv(BranchedConv):
    """3x3 + a chain of 1x1 to twice the channels, 3x3, and 1x1 back, whose contribution starts at zero."""

    def __init__(self, plan: ConvPlan) -> None:
        super().__init__(plan)
        inner = 2 * plan.outputs
        self.widen = nn.Conv2d(plan.inputs, inner, 1, bias=False)
        self.inner = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(inner, plan.outputs, 1, bias=False)
        for layer in (self.widen, self.inner):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        y: Tensor = self.conv3x3(x) + self.narrow(self.inner(self.widen(x)))
        return y

    def beside(self) -> Tensor:
        """The product of the chain's kernels."""
        widen, narrow = self.widen.weight[:, :, 0, 0], self.narrow.weight[:, :, 0, 0]
        return torch.einsum("om,mnab,ni->oiab", narrow, self.inner.weight, widen)


KINDS: dict[str, type[BranchedConv]] = {"sum": SumConv, "expand": ExpandConv}
