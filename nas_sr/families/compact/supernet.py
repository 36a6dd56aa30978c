"""How networks of the compact family share weights.

Channels are strided sets of the shared ones, with R, G and B at the same places in all. Convolutions are shared by
their number from the front, but the last, which is shared with every other last one. What is added to the output is not
learned: with and without it, the last convolution is the same. Slopes of PReLU are shared; ReLU and LeakyReLU have
none. Each kind of branches has weights of its own beside the shared 3x3 convolution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nas_sr.families.base import ConvPlan
from nas_sr.families.compact.branches import SMALL
from nas_sr.families.compact.network import BIAS, LEAK
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.network import interpolation_kernels
from nas_sr.families.sharing import (
    Channels,
    Fixed,
    Normal,
    Part,
    Sharing,
    centre,
    image_places,
    shared_conv,
    side_by_side,
    strided,
)

_IMAGE = Channels((0, 1, 2), 3)
_PRELU = 0.25  # torch's first slope
_RELU = 2.0  # He's variance times the number of inputs


class Extent(NamedTuple):
    """The largest numbers of channels and of convolutions, and the kinds of branches."""

    scale: int
    width: int
    depth: int
    branches: tuple[str, ...]


class CompactSharing(Sharing[CompactSpec, Extent]):
    """See the module."""

    def extent(self, choices: Mapping[str, Sequence[Any]], own_groups: bool = False) -> Extent:
        """The largest of each; the family has no groups."""
        branches = tuple(sorted(set(choices["branches"])))
        return Extent(max(choices["scale"]), max(choices["width"]), max(choices["depth"]), branches)

    def usual_extent(self, spec: CompactSpec) -> Extent:
        """That of the space which ships: width 64, depth 16."""
        return Extent(spec.scale, max(64, spec.width), max(16, spec.depth), ("expand", "none", "sum"))

    def parts(self, spec: CompactSpec, extent: Extent) -> dict[str, Part]:
        """See `Sharing`."""
        image = image_places(extent.width)
        width = strided(spec.width, extent.width, image)
        local = [width.places.index(place) for place in image]
        colours = Channels(tuple(range(3 * spec.scale**2)), 3 * spec.scale**2)
        found: dict[str, Part] = {}
        for index, plan in enumerate(spec.convs):
            columns = width if index else _IMAGE
            if not plan.activated:
                read = _reading(spec, local)
                return found | _conv(plan, "last", colours, columns, spec.branches, read)
            passed = [Fixed(row, local[colour] if index else colour, centre(3)) for colour, row in enumerate(local)]
            found |= _conv(plan, f"hidden.{index}", width, columns, spec.branches, passed)
            found[f"body.{2 * index + 1}.weight"] = _slopes(spec, index, width)
        raise AssertionError("the last convolution has no activation")

    def start(self, extent: Extent, normal: Normal) -> dict[str, Tensor]:
        """As `Network.initialise`, but for what is fixed. Branches that start other than at zero leave the image
        alone."""
        shared: dict[str, Tensor] = {}
        image = list(image_places(extent.width))
        for index in range(extent.depth + 1):
            name, columns = f"hidden.{index}", extent.width if index else 3
            weight = f"{name}.weight"
            shared[weight] = normal(weight, (extent.width, columns, 9)) * math.sqrt(_RELU / (9 * columns))
            shared[f"{name}.bias"] = normal(f"{name}.bias", (extent.width,)) * BIAS
            shared[f"{name}.slopes"] = torch.zeros(extent.width)
            for tensor in (shared[weight], shared[f"{name}.bias"]):
                tensor[image] = 0
            shared |= _branches(name, extent.width, columns, extent, normal, image)
        outputs = 3 * extent.scale**2
        shared["last.weight"] = torch.zeros(outputs, extent.width, 9)
        shared["last.bias"] = torch.zeros(outputs)
        return shared | _branches("last", outputs, extent.width, extent, normal, list(range(outputs)))


def _conv(
    plan: ConvPlan, shared: str, rows: Channels, columns: Channels, branches: str, fixed: Sequence[Fixed]
) -> dict[str, Part]:
    if branches == "none":
        return shared_conv(plan.name, shared, rows, columns, 3, fixed=fixed)
    if branches == "sum":
        same = plan.inputs == plan.outputs  # the input itself is added then, and taken away again at first
        away = [Fixed(channel, channel, centre(3, -1.0)) for channel in range(plan.outputs)] if same else []
        found = shared_conv(f"{plan.name}.conv3x3", shared, rows, columns, 3, fixed=[*fixed, *away])
        return found | _beside(plan, shared, "conv1x1", rows, columns, 1)
    wide = side_by_side(rows, rows)
    return (
        shared_conv(f"{plan.name}.conv3x3", shared, rows, columns, 3, fixed=fixed)
        | _beside(plan, shared, "widen", wide, columns, 1)
        | _beside(plan, shared, "inner", wide, wide, 3)
        | _beside(plan, shared, "narrow", rows, wide, 1)
    )


def _beside(
    plan: ConvPlan, shared: str, branch: str, rows: Channels, columns: Channels, kernel: int
) -> dict[str, Part]:
    """The weight of a branch's convolution, which has no bias."""
    found = shared_conv(f"{plan.name}.{branch}", f"{shared}.{branch}", rows, columns, kernel)
    return {name: part for name, part in found.items() if name.endswith(".weight")}


def _branches(
    name: str, rows: int, columns: int, extent: Extent, normal: Normal, untouched: list[int]
) -> dict[str, Tensor]:
    """The shared weights of the branches beside one convolution; `untouched` are the outputs of which the identity and
    the 1x1 convolution start at zero."""
    found: dict[str, Tensor] = {}
    if "sum" in extent.branches:
        key = f"{name}.conv1x1.weight"
        found[key] = normal(key, (rows, columns, 1)) * (SMALL * math.sqrt(2 / columns))
        found[key][untouched] = 0
    if "expand" in extent.branches:
        inner = 2 * rows
        for branch, inputs, taps in (("widen", columns, 1), ("inner", inner, 9)):
            key = f"{name}.{branch}.weight"
            found[key] = normal(key, (inner, inputs, taps)) * math.sqrt(1 / (inputs * taps))
        found[f"{name}.narrow.weight"] = torch.zeros(rows, inner, 1)
    return found


def _reading(spec: CompactSpec, local: Sequence[int]) -> list[Fixed]:
    """What the last convolution makes an interpolation of the image of, less what is added to it afterwards."""
    kernels = interpolation_kernels(spec.scale)
    if spec.skip == "nearest":
        kernels[:, 1, 1] -= 1
    return [
        Fixed(colour * len(kernels) + sub_pixel, local[colour], tuple(kernel.flatten().tolist()))
        for colour in range(3)
        for sub_pixel, kernel in enumerate(kernels)
    ]


def _slopes(spec: CompactSpec, index: int, width: Channels) -> Part:
    if spec.activation == "prelu":
        return Part(f"hidden.{index}.slopes", width, level=_PRELU)
    return Part("", width, level=LEAK if spec.activation == "leaky_relu" else 0.0)


SHARING = CompactSharing()
