"""From a spec to numbers: every convolution of the network, before any module exists.

The network is built from this plan and the counts are computed from it, so neither can drift from the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from nas_sr.families.base import ConvPlan
from nas_sr.families.imdeception.spec import ImdeceptionSpec


class GblockPlan(NamedTuple):
    """A grouped 3x3 convolution, ReLU, and a 1x1 convolution over all channels."""

    grouped: ConvPlan
    mix: ConvPlan


class GidbPlan(NamedTuple):
    """A chain of Gblocks, each split into `shallow` kept and the rest passed on; then a 1x1 fusion."""

    gblocks: tuple[GblockPlan, ...]
    fuse: ConvPlan
    shallow: int


class NlaPlan(NamedTuple):
    """Windowed attention between patches after GIDB `after`."""

    after: int
    qkv: ConvPlan
    out: ConvPlan
    patch: int
    window: int


class NetworkPlan(NamedTuple):
    """The whole network, in order of execution."""

    scale: int
    shallow: int
    head: ConvPlan
    gidbs: tuple[GidbPlan, ...]
    nlas: tuple[NlaPlan, ...]
    tail_fuse: ConvPlan
    tail_expand: ConvPlan
    out: ConvPlan

    def convs(self) -> list[ConvPlan]:
        """Every convolution, in order of execution."""
        convs = [self.head]
        attention = {nla.after: nla for nla in self.nlas}
        for number, gidb in enumerate(self.gidbs, start=1):
            convs += [conv for gblock in gidb.gblocks for conv in gblock]
            convs.append(gidb.fuse)
            if number in attention:
                convs += [attention[number].qkv, attention[number].out]
        return [*convs, self.tail_fuse, self.tail_expand, self.out]

    def identity(self) -> list[Any]:
        """What makes this network itself; two plans with equal identity are the same network."""
        attention = [[nla.after, nla.patch, nla.window] for nla in self.nlas]
        return [self.scale, self.shallow, attention, [list(conv) for conv in self.convs()]]


def usable_groups(wanted: int, inputs: int, outputs: int) -> int:
    """The rule for channel counts that are not divisible: the largest divisor of `wanted` that divides both.

    Groups of 8 on 36 -> 48 channels become 4; groups of 8 on 48 -> 48 stay 8.
    """
    return math.gcd(wanted, inputs, outputs)


def plan(spec: ImdeceptionSpec) -> NetworkPlan:
    """The channel counts of every convolution of `spec` (layer plan of the paper's published network)."""
    core, deep = spec.core, spec.deep
    gidbs = []
    inputs = spec.head
    for number in range(1, spec.gidbs + 1):
        last = number == spec.gidbs
        # The last GIDB feeds the tail only, and the paper makes its deep path one core narrower (2c for 3c).
        # Where that would leave nothing (split <= 1), the deep width stays.
        inner = deep - core if last and deep > core else deep
        output = core if last else core + deep
        gidbs.append(_gidb(f"gidbs.{number - 1}", inputs, core, inner, output, spec.depth, spec.groups))
        inputs = deep
    quarter = deep // 4
    nlas = tuple(
        NlaPlan(
            after,
            ConvPlan(f"nlas.{index}.qkv", deep, 3 * quarter, 1),
            ConvPlan(f"nlas.{index}.out", quarter, deep, 1),
            spec.nla_patch,
            spec.nla_window,
        )
        for index, after in enumerate(spec.nla_after)
    )
    return NetworkPlan(
        scale=spec.scale,
        shallow=core,
        head=ConvPlan("head", 3, spec.head, 3),
        gidbs=tuple(gidbs),
        nlas=nlas,
        tail_fuse=ConvPlan("tail_fuse", spec.gidbs * core, 4 * core, 1, activated=True),
        tail_expand=ConvPlan("tail_expand", 4 * core, spec.head, 3, activated=True),
        out=ConvPlan("out", spec.head, 3 * spec.scale**2, 3),
    )


def _gidb(name: str, inputs: int, shallow: int, deep: int, outputs: int, depth: int, groups: int) -> GidbPlan:
    gblocks = []
    width = inputs
    for index in range(depth):
        out = shallow if index == depth - 1 else shallow + deep
        grouped = ConvPlan(
            f"{name}.gblocks.{index}.grouped", width, out, 3, usable_groups(groups, width, out), activated=True
        )
        gblocks.append(GblockPlan(grouped, ConvPlan(f"{name}.gblocks.{index}.mix", out, out, 1, activated=True)))
        width = deep
    fuse = ConvPlan(f"{name}.fuse", depth * shallow + inputs, outputs, 1)
    return GidbPlan(tuple(gblocks), fuse, shallow)
