"""The network of a CompactSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_sr.families.base import ConvPlan
from nas_sr.families.compact.branches import KINDS, BranchedConv
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import FamilyNetwork, bias, conv, interpolation_kernels

LEAK = 0.1  # of a LeakyReLU, as Real-ESRGAN has it
BIAS = 1e-3  # not zero: ONNX files share equal tensors, and an untrained network's file must be like a trained one's


class FixedSlope(nn.Module):
    """ReLU or LeakyReLU that keeps its slopes among the weights: a reader that knows PReLU only finds what it needs."""

    weight: Tensor

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.slope = slope
        self.register_buffer("weight", torch.full((width,), slope))

    def forward(self, x: Tensor) -> Tensor:
        """(n, width, h, w) -> the same."""
        return F.leaky_relu(x, self.slope) if self.slope else F.relu(x)


class Network(FamilyNetwork):
    """Convolutions at the even places of `body`, activations at the odd ones; pixel shuffle; the enlarged image added.

    Source: Real-ESRGAN's SRVGGNetCompact, whose names and order of weights the deployed network has.
    """

    spec: CompactSpec

    def __init__(self, spec: CompactSpec) -> None:
        super().__init__()
        self.spec = spec
        self.body = nn.ModuleList()
        for plan in spec.convs:
            self.body.append(_conv(plan, spec))
            if plan.activated:
                self.body.append(_activation(spec))

    def forward(self, image: Tensor) -> Tensor:
        """RGB in [0, 1], (n, 3, h, w) -> (n, 3, scale * h, scale * w), not clamped."""
        y = image
        for layer in self.body:
            y = layer(y)
        y = F.pixel_shuffle(y, self.spec.scale)
        if self.spec.skip == "nearest":
            y = y + F.interpolate(image, scale_factor=self.spec.scale, mode="nearest")
        return y

    @torch.no_grad()
    def initialise(self) -> None:
        """R, G and B pass through the first three channels of every convolution to the last, which reads them with the
        3-tap cubic kernel of each sub-pixel (less the enlarged image, where that is added) and nothing else. All other
        weights have He's variance (https://arxiv.org/abs/1502.01852, equation 10)."""
        *hidden, last = self.body[::2]
        for layer in hidden:
            shape = _weight(layer).shape
            weight, offset = torch.empty(shape), torch.empty(shape[0])
            nn.init.kaiming_normal_(weight, nonlinearity="relu")
            nn.init.normal_(offset, std=BIAS)
            weight[:3], offset[:3] = 0, 0
            nn.init.dirac_(weight[:3, :3])
            _set(layer, weight, offset)
        weight = torch.zeros(_weight(last).shape)
        kernels = interpolation_kernels(self.spec.scale)
        if self.spec.skip == "nearest":
            kernels[:, 1, 1] -= 1
        for channel in range(3):
            weight[channel * len(kernels) : (channel + 1) * len(kernels), channel] = kernels
        _set(last, weight, torch.zeros(len(weight)))

    @torch.no_grad()
    def deployed(self) -> FamilyNetwork:
        """The chain with each sum of branches folded into one convolution."""
        if self.spec.branches == "none":
            return self
        network = Network(self.spec.deployed).to(_weight(self.body[0]))
        for place, (own, theirs) in enumerate(zip(self.body, network.body, strict=True)):
            if place % 2:
                theirs.load_state_dict(own.state_dict())
            else:
                assert isinstance(own, BranchedConv)
                _set(theirs, *own.folded())
        return network.train(self.training)

    @torch.no_grad()
    def load_deployed(self, state: Mapping[str, Tensor]) -> Self:
        """Takes over a folded chain: the plain branch of each sum is set such that the sum computes the same."""
        chain = Network(self.spec.deployed).to(_weight(self.body[0]))
        chain.load_state_dict(dict(state))
        for place, (own, theirs) in enumerate(zip(self.body, chain.body, strict=True)):
            if place % 2:
                own.load_state_dict(theirs.state_dict())
            else:
                _set(own, _weight(theirs), bias(theirs))
        return self


def _conv(plan: ConvPlan, spec: CompactSpec) -> nn.Module:
    return conv(plan) if spec.branches == "none" else KINDS[spec.branches](plan)


def _activation(spec: CompactSpec) -> nn.Module:
    if spec.activation == "prelu":
        return nn.PReLU(spec.width)
    return FixedSlope(spec.width, LEAK if spec.activation == "leaky_relu" else 0.0)


def _weight(layer: nn.Module) -> Tensor:
    plain = layer.conv3x3 if isinstance(layer, BranchedConv) else layer
    assert isinstance(plain, nn.Conv2d)
    return plain.weight


def _set(layer: nn.Module, weight: Tensor, offset: Tensor) -> None:
    if isinstance(layer, BranchedConv):
        layer.unfold(weight, offset)
    else:
        assert isinstance(layer, nn.Conv2d)
        layer.weight.copy_(weight)
        bias(layer).copy_(offset)
