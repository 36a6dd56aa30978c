"""How an untrained network starts: as an interpolator whose body carries the image's signal, at any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from nas_sr.families.network import bias, interpolation_kernels

if TYPE_CHECKING:
    from nas_sr.families.imdeception.blocks import Gidb
    from nas_sr.families.imdeception.network import Network

MEAN_GREY = 0.45  # of photographs, in [0, 1]
BIAS = 1e-3  # not zero: ONNX files share equal tensors, and an untrained network's file must be like a trained one's
NEW_SHARE = 0.3  # of what a GIDB's Gblocks add to the deep path, and the tail to the head's features


@torch.no_grad()
def initialise(network: Network) -> None:
    """Gives every convolution outside attention new weights, from torch's random state.

    Brief training then refines an upscaler instead of finding one; architecture, cost and export are unchanged.

    - *The output is an interpolation.* R, G, B pass through the first three channels of the head, past the body (whose
      contribution to them starts at zero), to the output convolution, which reads them with the 3-tap cubic kernel of
      each sub-pixel and nothing else.
    - *The signal keeps its size.* Weights have He's variance (https://arxiv.org/abs/1502.01852, equation 10; half of it
      where no activation follows), biases next to none; with torch's default the differences between pixels shrink
      fifty- to eightyfold from the head to the last of six GIDBs, and deep networks learn like shallow ones.
    - *A GIDB hands on what it got.* Its deep outputs start as its inputs plus a little of what its Gblocks made, so
      that a chain of GIDBs starts as refinements of one image instead of a random function of a random function.
    - *Features are centred.* The head's biases take the mean grey away.

    What each of these brings is measured by tests/benchmarks/brief_recipe.py.
    """
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and not name.startswith("nlas."):
            activated = name.endswith((".grouped", ".mix")) or name in ("tail_fuse", "tail_expand")
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu" if activated else "linear")
            nn.init.normal_(bias(layer), std=BIAS)
    for gidb in list(network.gidbs)[:-1]:
        _hand_on(cast("Gidb", gidb))
    network.tail_expand.weight *= NEW_SHARE
    bias(network.head)[:] = -MEAN_GREY * network.head.weight.sum(dim=(1, 2, 3))
    interpolate(network)


def _hand_on(gidb: Gidb) -> None:
    """The fusion reads what the Gblocks kept, then the GIDB's input; it writes shallow outputs, then deep ones."""
    deep = gidb.fuse.weight[gidb.shallow :]
    kept = gidb.shallow * len(gidb.gblocks)
    deep[:, :kept] *= NEW_SHARE
    same = min(len(deep), deep.shape[1] - kept)
    deep[:same, kept:] = 0
    nn.init.dirac_(deep[:same, kept : kept + same])


@torch.no_grad()
def interpolate(network: Network) -> None:
    """Lets a network upscale by 3-tap cubic interpolation, whatever its body does."""
    for layer in (network.head, network.tail_expand):
        layer.weight[:3] = 0
        bias(layer)[:3] = 0
    for channel in range(3):
        network.head.weight[channel, channel, 1, 1] = 1
    network.out.weight.zero_()
    bias(network.out).zero_()
    kernels = interpolation_kernels(network.spec.scale)
    for channel in range(3):
        rows = slice(channel * len(kernels), (channel + 1) * len(kernels))
        network.out.weight[rows, channel] = kernels
