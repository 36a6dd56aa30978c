"""Which networks of a search space a recorded benchmark has: spread evenly over cost, not over parameters."""

from __future__ import annotations

import functools
import math
import random

from nas_sr.benchmark.protocol import Protocol
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.space import read_space


def members(protocol: Protocol) -> list[Spec]:
    """The networks of all spaces, always the same ones, each space's by cost."""
    return [spec for of_space in _by_space(protocol) for spec in of_space]


def long_members(protocol: Protocol) -> list[Spec]:
    """Those that are also trained long: of each space every so manieth by cost, its cheapest among them."""
    return [spec for of_space in _by_space(protocol) for spec in of_space[:: protocol.long_every]]


def _by_space(protocol: Protocol) -> list[tuple[Spec, ...]]:
    return [spread(name, number, protocol.largest_macs_g) for name, number in protocol.spaces.items()]


@functools.lru_cache
def spread(space_name: str, number: int, largest_macs_g: float) -> tuple[Spec, ...]:
    """So many networks of a space, evenly over the logarithm of their multiply-accumulates, by cost.

    The range of costs is cut into as many equal parts as networks are wanted; from each part one is drawn, and the
    nearest one that is left where a part is empty. Fewer where the space has no more.
    """
    space = read_space(space_name)
    specs = {digest: space.spec(params) for digest, params in sorted(space.architectures.items())}
    costs = {digest: math.log(counts(spec).macs_g) for digest, spec in specs.items()}
    left = [digest for digest, cost in costs.items() if cost <= math.log(largest_macs_g)]
    random.Random(0).shuffle(left)
    found = left
    if len(left) > number:
        low, high = min(costs[digest] for digest in left), max(costs[digest] for digest in left)
        half = (high - low) / number / 2
        found = []
        for part in range(number):
            middle = low + (2 * part + 1) * half

            def outside(digest: str, middle: float = middle) -> float:
                return max(0.0, abs(costs[digest] - middle) - half)

            found.append(min(left, key=outside))
            left.remove(found[-1])
    return tuple(specs[digest] for digest in sorted(found, key=lambda digest: (costs[digest], digest)))
