"""The weights that all networks of a search space share, and any one of those networks with its part of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nas_sr.families.base import Spec
from nas_sr.families.network import FamilyNetwork, without_memory
from nas_sr.families.sharing import sharing
from nas_sr.space import Space
from nas_sr.supernet.initialisation import seeded_normal
from nas_sr.supernet.members import choices, costliest, refuse_outside
from nas_sr.supernet.slicing import Slice


class Supernet(FamilyNetwork):
    """One space's shared weights. As a network it computes what one of its members does.

    `parameters()` are the shared tensors, which gradients of any member go to.
    """

    def __init__(self, space: Space, own_groups: bool = False) -> None:
        """The weights are not initialised.

        With `own_groups`, convolutions of different numbers of groups share nothing.

        Raises:
            UsageError: the family's networks do not share weights.
        """
        super().__init__()
        self.space, self.own_groups = space, own_groups
        self.spec = costliest(space)
        self._inside: set[Spec] = set()  # members that were asked for before
        self.extent = sharing(space.family).extent(choices(space), own_groups)
        shapes = sharing(space.family).start(self.extent, lambda name, shape: torch.zeros(shape))
        self.shared = nn.ParameterDict({_key(name): torch.empty_like(tensor) for name, tensor in shapes.items()})

    @torch.no_grad()
    def initialise(self, seed: int | None = None) -> None:
        """Every member starts as an interpolator; with a seed always the same way, else by torch's random state."""
        seed = int(torch.randint(2**31, (1,))) if seed is None else seed
        start = sharing(self.space.family).start(self.extent, seeded_normal(seed))
        for name, tensor in start.items():
            self.shared[_key(name)].copy_(tensor)

    def forward(self, image: Tensor, spec: Spec | None = None) -> Tensor:
        """As a `FamilyNetwork`, with the member `spec`; without one, the costliest."""
        prepared = self._prepared(spec or self.spec)
        found: Tensor = torch.func.functional_call(prepared.shell, self._values(prepared), (image,))
        return found

    @torch.no_grad()
    def extract(self, spec: Spec) -> FamilyNetwork:
        """The member as a plain network of its own, on the supernet's device.

        Raises:
            UsageError: it is outside the space: the parameter, its value and what is allowed.
        """
        values = self._values(self._prepared(spec))
        network = without_memory(spec).to_empty(device=next(self.parameters()).device)
        network.load_state_dict(values)
        return network.train(self.training)

    def _values(self, prepared: _Prepared) -> dict[str, Tensor]:
        """The member's state, as differentiable parts of the shared tensors."""
        return {
            name: each.of(self.shared[_key(each.part.shared)] if each.part.shared else None)
            for name, each in prepared.slices.items()
        }

    def _prepared(self, spec: Spec) -> _Prepared:
        if spec not in self._inside:
            refuse_outside(self.space, spec)
            self._inside.add(spec)
        return _prepared(self.extent, spec, str(next(self.parameters()).device))


class _Prepared(NamedTuple):
    """A member's modules without their memory, and where its parameters are."""

    shell: FamilyNetwork
    slices: dict[str, Slice]


@functools.lru_cache(maxsize=32)  # the indices of the largest members take a megabyte
def _prepared(extent: tuple[Any, ...], spec: Spec, device: str) -> _Prepared:
    parts = sharing(spec.family).parts(spec, extent)
    return _Prepared(without_memory(spec), {name: Slice(part, device) for name, part in parts.items()})


def shared_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A supernet's state by the families' names for shared tensors."""
    return {name.removeprefix("shared.").replace("/", "."): tensor for name, tensor in state.items()}


def state_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse."""
    return {f"shared.{_key(name)}": tensor for name, tensor in tensors.items()}


def _key(name: str) -> str:
    """A name of a parameter: torch reserves the dot."""
    return name.replace(".", "/")
