"""Initialisations with common random numbers: networks of one seed start from parts of the same random tensors.

What two networks have in common starts equal, so that less of the difference between their trained PSNRs is chance
(tests/benchmarks/ and docs/supernet.md have the measurements).
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import torch
from torch import Tensor

from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, without_memory
from nas_sr.families.sharing import Normal, sharing
from nas_sr.supernet.slicing import Slice


def initial_network(spec: Spec, seed: int) -> FamilyNetwork:
    """A network at its start as an interpolator: always the same one for a digest and a seed.

    Channels and layers that it has in common with another network of its family start equal, but for the factor that
    the fan-in asks for. It is cut from tensors of the family's usual size, whatever the search space; a network that is
    larger in some respect, from larger ones. torch's random state is neither used nor touched.

    Raises:
        UsageError: the family's networks do not share weights.
    """
    rules = sharing(spec.family)
    extent = rules.usual_extent(spec)
    shared = _start(spec.family, extent, seed)
    network = without_memory(spec).to_empty(device="cpu")
    with torch.no_grad():
        values = {
            name: Slice(part).of(shared[part.shared] if part.shared else None)
            for name, part in rules.parts(spec, extent).items()
        }
    network.load_state_dict(values)
    return network


def seeded_normal(seed: int) -> Normal:
    """Standard normal float32 numbers that depend on the seed, the name and the shape alone."""

    def normal(name: str, shape: tuple[int, ...]) -> Tensor:
        key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
        return torch.from_numpy(np.random.Generator(np.random.PCG64(key)).standard_normal(shape, np.float32))

    return normal


@functools.lru_cache(maxsize=4)
def _start(family: str, extent: tuple[object, ...], seed: int) -> dict[str, Tensor]:
    return sharing(family).start(extent, seeded_normal(seed))
