"""Where a network lies in the family, in octaves: how far it is from others, and from what a calibration has seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nas_sr.families.imdeception.plan import plan
from nas_sr.families.imdeception.spec import ArchSpec


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


_PAPER = ArchSpec()


def features(spec: ArchSpec) -> Features:
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


class Range:
    """The smallest box that holds some networks."""

    def __init__(self, specs: Sequence[ArchSpec]) -> None:
        places = matrix(specs)
        self._low, self._high = places.min(axis=0), places.max(axis=0)

    def outside(self, spec: ArchSpec) -> float:
        """Octaves from a network to the box; 0 inside."""
        return float(np.linalg.norm(self._beyond(spec)))

    def reasons(self, spec: ArchSpec) -> list[str]:
        """What puts a network outside, such as `groups 1 (calibrated with 4)`."""
        place = features(spec)
        return [
            f"{name} {_value(name, at)} (calibrated with {_interval(name, low, high)})"
            for name, at, low, high, beyond in zip(
                Features._fields, place, self._low, self._high, self._beyond(spec), strict=True
            )
            if beyond > 0
        ]

    def _beyond(self, spec: ArchSpec) -> NDArray[np.float64]:
        place = np.array(features(spec))
        return np.maximum(np.maximum(self._low - place, place - self._high), 0.0)


def matrix(specs: Sequence[ArchSpec]) -> NDArray[np.float64]:
    """One row of coordinates for each network."""
    return np.array([features(spec) for spec in specs])


def _value(name: str, at: float) -> str:
    return f"{at if name == 'attention' else 2**at:.3g}"


def _interval(name: str, low: float, high: float) -> str:
    ends = _value(name, low), _value(name, high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
