"""The network of an ArchSpec, and its start as an interpolator."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_sr.arch.blocks import LEAK, Gidb, Nla, conv
from nas_sr.arch.plan import plan
from nas_sr.arch.spec import ArchSpec


class Network(nn.Module):
    """IMDeception: GIDBs chained on a deep path, their shallow outputs gathered (GPRM), and a pixel-shuffle tail.

    Paper: "IMDeception: Grouped Information Distilling Super-Resolution Network", CVPR Workshops 2022.
    """

    def __init__(self, spec: ArchSpec) -> None:
        super().__init__()
        numbers = plan(spec)
        self.spec = spec
        self.head = conv(numbers.head)
        self.gidbs = nn.ModuleList(Gidb(gidb) for gidb in numbers.gidbs)
        self.nlas = nn.ModuleList(Nla(nla) for nla in numbers.nlas)
        self.tail_fuse = conv(numbers.tail_fuse)
        self.tail_expand = conv(numbers.tail_expand)
        self.out = conv(numbers.out)

    def forward(self, image: Tensor) -> Tensor:
        """RGB in [0, 1], (n, 3, h, w) -> (n, 3, scale * h, scale * w), not clamped."""
        deep = features = self.head(image)
        attention = dict(zip(self.spec.nla_after, self.nlas, strict=True))
        gathered = []
        for number, gidb in enumerate(self.gidbs[:-1], start=1):
            shallow, deep = torch.split(gidb(deep), [self.spec.core, self.spec.deep], dim=1)
            gathered.append(shallow)
            if number in attention:
                deep = attention[number](deep)
        gathered.append(self.gidbs[-1](deep))
        y = F.leaky_relu(self.tail_fuse(torch.cat(gathered, dim=1)), LEAK)
        y = F.leaky_relu(self.tail_expand(y), LEAK) + features
        return F.pixel_shuffle(self.out(y), self.spec.scale)


def build(spec: ArchSpec, seed: int | None = None) -> Network:
    """A network that starts as an interpolator; with a seed, always the same one, without touching torch's state."""
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        network = Network(spec)
        start_as_interpolator(network)
    return network


@torch.no_grad()
def start_as_interpolator(network: Network) -> None:
    """Let the untrained network upscale by 3-tap cubic interpolation; architecture, cost and export are unchanged.

    R, G, B pass through the first three channels of the head, past the body (whose contribution to them starts at
    zero), to the output convolution, which reads them with the interpolation kernel of each sub-pixel and nothing
    else. Brief training then refines an upscaler instead of finding one. (Letting the output convolution's other
    weights start at a tenth or a thirtieth of their default was worse: tests/benchmarks/interpolator_start.py.)
    """
    for layer in (network.head, network.tail_expand):
        layer.weight[:3] = 0
        _bias(layer)[:3] = 0
    for channel in range(3):
        network.head.weight[channel, channel, 1, 1] = 1
    network.out.weight.zero_()
    _bias(network.out).zero_()
    kernels = interpolation_kernels(network.spec.scale)
    for channel in range(3):
        rows = slice(channel * len(kernels), (channel + 1) * len(kernels))
        network.out.weight[rows, channel] = kernels


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None  # every convolution of the family has one
    return layer.bias


def interpolation_kernels(scale: int) -> Tensor:
    """(scale^2, 3, 3): for each sub-pixel, row-major, the separable 3-tap cubic (a = -0.5) kernel, summing to one."""
    offsets = (torch.arange(scale) + 0.5) / scale - 0.5
    distance = (offsets[:, None] - torch.tensor([-1.0, 0.0, 1.0])).abs()
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    taps = torch.where(distance <= 1, near, far)
    taps = taps / taps.sum(dim=1, keepdim=True)
    return torch.einsum("ra,cb->rcab", taps, taps).reshape(scale**2, 3, 3)
