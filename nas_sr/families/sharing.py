"""How networks of a family share weights: every parameter of one is a part of a tensor that all of them use.

A channel is at a place of its own in the shared tensor, whatever else the network is, so that what one network learns
another one finds. A family that can do this has a `supernet.py` with SHARING, a `Sharing`.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from nas_sr.errors import UsageError
from nas_sr.families.base import Spec


class Channels(NamedTuple):
    """The channels of one network among those of a shared tensor: their places, in the network's order, of how many."""

    places: tuple[int, ...]
    of: int


class Fixed(NamedTuple):
    """A kernel that is added to a weight and not trained: its row, its column, and its values, row-major."""

    row: int
    column: int
    taps: tuple[float, ...]


class Part(NamedTuple):
    """One parameter of a network as a part of a shared tensor.

    The parameter is `gain` times the shared values at rows x columns, plus `level`, plus the kernels of `fixed`. Of a
    grouped convolution only the blocks of its groups are taken: the shared tensor is dense.
    """

    shared: str  # the tensor's name; empty: there is none, the parameter is `level` everywhere
    rows: Channels
    columns: Channels | None = None  # None: a vector, such as a bias
    kernel: int = 1
    groups: int = 1
    gain: float = 1.0
    level: float = 0.0
    fixed: tuple[Fixed, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the parameter in the network."""
        if self.columns is None:
            return (len(self.rows.places),)
        return (len(self.rows.places), len(self.columns.places) // self.groups, self.kernel, self.kernel)

    @property
    def shared_shape(self) -> tuple[int, ...]:
        """Of the shared tensor: rows, columns, taps; kernels are flat, which no memory format rearranges."""
        return (self.rows.of,) if self.columns is None else (self.rows.of, self.columns.of, self.kernel**2)


AnySpec = TypeVar("AnySpec", bound=Spec)
Extent = TypeVar("Extent", bound=tuple[Any, ...])
# The normal numbers of a name, as many as a shape has: the same ones whenever asked again.
Normal = Callable[[str, tuple[int, ...]], Tensor]


class Sharing(ABC, Generic[AnySpec, Extent]):
    """A family's rules of sharing. An extent is a tuple of plain values: how large the shared tensors are."""

    @abstractmethod
    def extent(self, choices: Mapping[str, Sequence[Any]], own_groups: bool = False) -> Extent:
        """What holds every network whose fields have these values (every field of the spec has at least one).

        With `own_groups`, convolutions of different numbers of groups share nothing, where a family has such.
        """

    @abstractmethod
    def usual_extent(self, spec: AnySpec) -> Extent:
        """What a network's initialisation is cut from: the same for all networks of usual size, and what holds the
        network where it is larger. Nothing but the spec and constants decide it."""

    @abstractmethod
    def parts(self, spec: AnySpec, extent: Extent) -> dict[str, Part]:
        """Every parameter and buffer of the network, by its name in the state dict.

        The network must be within the extent.
        """

    @abstractmethod
    def start(self, extent: Extent, normal: Normal) -> dict[str, Tensor]:
        """The shared tensors, such that every network starts as an interpolator."""


@functools.cache
def sharing(name: str) -> Sharing[Any, Any]:
    """The rules of the family of that name.

    Raises:
        UsageError: its networks do not share weights.
    """
    module = f"nas_sr.families.{name}.supernet"
    if importlib.util.find_spec(module) is None:
        raise UsageError(f"family '{name}' has no supernet: {module.replace('.', '/')}.py is missing")
    found: Sharing[Any, Any] = importlib.import_module(module).SHARING
    return found


def strided(count: int, of: int, pinned: Sequence[int] = ()) -> Channels:
    """`count` of `of` channels, evenly spread: channel j is at floor(j * of / count).

    A channel is then in the same group of a grouped convolution at every width. The `pinned` places are always among
    them: one that is not there takes the place of its nearest neighbour.
    """
    places = [index * of // count for index in range(count)]
    free = [place for place in places if place not in pinned]
    for wanted in pinned:
        if wanted not in places:
            nearest = min(free, key=lambda place: abs(place - wanted))
            free.remove(nearest)
            places[places.index(nearest)] = wanted
    return Channels(tuple(sorted(places)), of)


def image_places(of: int) -> tuple[int, int, int]:
    """Where R, G and B are among the channels that carry the image past the body: at even places, which the strided
    sets of a half and of three quarters contain too."""
    return (0, 2, 4) if of > 4 else (0, 1, 2)


def placed(of: int, *parts: tuple[int, Channels]) -> Channels:
    """Several sets, one after the other in the network; in the shared tensor each begins at a place of its own."""
    return Channels(tuple(first + place for first, channels in parts for place in channels.places), of)


def side_by_side(*parts: Channels) -> Channels:
    """Several sets, one after the other in the network and in the shared tensor."""
    starts = [sum(part.of for part in parts[:index]) for index in range(len(parts))]
    return placed(sum(part.of for part in parts), *zip(starts, parts, strict=True))


def shared_conv(
    name: str,
    shared: str,
    rows: Channels,
    columns: Channels,
    kernel: int,
    groups: int = 1,
    fixed: Sequence[Fixed] = (),
    shared_groups: int = 1,
) -> dict[str, Part]:
    """Weight and bias of a convolution. A weight's gain keeps its outputs' size: the root of how many times more
    inputs the shared convolution, which has `shared_groups`, has than the network's."""
    gain = math.sqrt(columns.of * groups / (len(columns.places) * shared_groups))
    return {
        f"{name}.weight": Part(f"{shared}.weight", rows, columns, kernel, groups, gain, fixed=tuple(fixed)),
        f"{name}.bias": Part(f"{shared}.bias", rows),
    }


def centre(kernel: int, value: float = 1.0) -> tuple[float, ...]:
    """The taps of a kernel that passes a channel on, times `value`."""
    taps = [0.0] * kernel**2
    taps[kernel**2 // 2] = value
    return tuple(taps)
