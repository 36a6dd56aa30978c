"""Where a network lies in the IMDeception family, in octaves."""

from __future__ import annotations

import math
from typing import NamedTuple

from nas_sr.families.imdeception.plan import plan
from nas_sr.families.imdeception.spec import ImdeceptionSpec


class Features(NamedTuple):
    """Base-2 logarithms; `attention` is a number of blocks. Read from the plan: equal networks have equal ones."""

    core: float
    groups: float  # mean over the grouped convolutions, which may use fewer than the spec asks for
    gidbs: float
    depth: float
    split: float
    head: float
    scale: float
    attention: float
    patch: float  # of an attention token, and the paper's where there is no attention
    window: float


_PAPER = ImdeceptionSpec()


def features(spec: ImdeceptionSpec) -> Features:
    """The place of a network."""
    numbers = plan(spec)
    first = numbers.gidbs[0]
    # A single GIDB has no deep output; what its first Gblock passes on stands for it (nothing, if that is the last).
    deep = (first.fuse if len(numbers.gidbs) > 1 else first.gblocks[0].mix).outputs - numbers.shallow
    grouped = [gblock.grouped.groups for gidb in numbers.gidbs for gblock in gidb.gblocks]
    attention = [(nla.patch, nla.window) for nla in numbers.nlas]
    patch, window = attention[0] if attention else (_PAPER.nla_patch, _PAPER.nla_window)
    return Features(
        core=math.log2(numbers.shallow),
        groups=sum(map(math.log2, grouped)) / len(grouped),
        gidbs=math.log2(len(numbers.gidbs)),
        depth=math.log2(len(first.gblocks)),
        split=math.log2(max(deep, 1) / numbers.shallow),
        head=math.log2(numbers.head.outputs),
        scale=math.log2(numbers.scale),
        attention=float(len(attention)),
        patch=math.log2(patch),
        window=math.log2(window),
    )
