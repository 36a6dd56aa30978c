"""How networks of the IMDeception family share weights.

A channel keeps its role: shallow channels are strided sets of the shared shallow ones, deep channels of the deep ones,
whatever the split. GIDBs and Gblocks are shared by their number from the front; the last of each uses the shallow rows
alone. Attention is shared by the GIDB that it follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from nas_sr.families.imdeception.initialisation import BIAS, MEAN_GREY, NEW_SHARE
from nas_sr.families.imdeception.plan import GidbPlan, plan
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import interpolation_kernels
from nas_sr.families.sharing import (
    Channels,
    Fixed,
    Normal,
    Part,
    Sharing,
    centre,
    image_places,
    placed,
    shared_conv,
    side_by_side,
    strided,
)

_IMAGE = Channels((0, 1, 2), 3)


class Extent(NamedTuple):
    """The largest numbers of channels and of blocks, and every GIDB that attention may follow."""

    scale: int
    core: int
    deep: int
    head: int
    gidbs: int
    depth: int
    nla_after: tuple[int, ...]
    own_groups: tuple[int, ...] = ()  # numbers of groups that have weights of their own; none: all share the dense ones


class _Layer(NamedTuple):
    """A shared convolution: outputs, inputs, kernel, and its noise's variance times the number of inputs."""

    rows: int
    columns: int
    kernel: int
    variance: float
    groups: int = 1


class ImdeceptionSharing(Sharing[ImdeceptionSpec, Extent]):
    """See the module."""

    def extent(self, choices: Mapping[str, Sequence[Any]], own_groups: bool = False) -> Extent:
        """The largest of each; deep channels of every core with every split."""
        usable = {divisor for groups in choices["groups"] for divisor in range(1, groups + 1) if groups % divisor == 0}
        return Extent(
            scale=max(choices["scale"]),
            core=max(choices["core"]),
            deep=max(int(core * split) for core in choices["core"] for split in choices["split"]),
            head=max(choices["head"]),
            gidbs=max(choices["gidbs"]),
            depth=max(choices["depth"]),
            nla_after=tuple(sorted({after for placement in choices["nla_after"] for after in placement})),
            own_groups=tuple(sorted(usable)) if own_groups else (),
        )

    def usual_extent(self, spec: ImdeceptionSpec) -> Extent:
        """That of the space which ships: core 24, split 3, head 64, 8 GIDBs of 4 Gblocks."""
        return Extent(
            scale=spec.scale,
            core=max(24, spec.core),
            deep=max(72, spec.deep),
            head=max(64, spec.head),
            gidbs=max(8, spec.gidbs),
            depth=max(4, spec.depth),
            nla_after=tuple(range(1, max(8, spec.gidbs))),
        )

    def parts(self, spec: ImdeceptionSpec, extent: Extent) -> dict[str, Part]:
        """See `Sharing`."""
        numbers = plan(spec)
        shallow, deep = strided(spec.core, extent.core), strided(spec.deep, extent.deep)
        image = image_places(extent.head)
        head, wide = strided(spec.head, extent.head, image), strided(4 * spec.core, 4 * extent.core)
        local = [head.places.index(place) for place in image]
        passed = [Fixed(row, column, centre(3)) for column, row in enumerate(local)]
        found = shared_conv("head", "head", head, _IMAGE, 3, fixed=passed)
        for number, gidb in enumerate(numbers.gidbs):
            last = number == spec.gidbs - 1
            found |= _gidb(f"gidbs.{number}", gidb, shallow, deep, deep if number else head, extent, last)
        quarter = strided(spec.deep // 4, extent.deep // 4) if numbers.nlas else shallow
        for index, nla in enumerate(numbers.nlas):
            shared = f"nlas.after_{nla.after}"
            qkv = side_by_side(quarter, quarter, quarter)
            found |= shared_conv(f"nlas.{index}.qkv", f"{shared}.qkv", qkv, deep, 1)
            found |= shared_conv(f"nlas.{index}.out", f"{shared}.out", deep, quarter, 1)
        gathered = placed(extent.gidbs * extent.core, *((i * extent.core, shallow) for i in range(spec.gidbs)))
        found |= shared_conv("tail_fuse", "tail_fuse", wide, gathered, 1)
        found |= shared_conv("tail_expand", "tail_expand", head, wide, 3)
        kernels = interpolation_kernels(spec.scale)
        read = [
            Fixed(colour * len(kernels) + sub_pixel, local[colour], tuple(kernel.flatten().tolist()))
            for colour in range(3)
            for sub_pixel, kernel in enumerate(kernels)
        ]
        everything = Channels(tuple(range(3 * len(kernels))), 3 * len(kernels))
        return found | shared_conv("out", "out", everything, head, 3, fixed=read)

    def start(self, extent: Extent, normal: Normal) -> dict[str, Tensor]:
        """As nas_sr.families.imdeception.initialisation, but for what is fixed. Where a first GIDB has more deep
        outputs than inputs, it hands its first inputs on twice."""
        shared: dict[str, Tensor] = {}
        for name, layer in _layers(extent).items():
            shape = (layer.rows, layer.columns, layer.kernel**2)
            std = math.sqrt(layer.variance * layer.groups / (layer.columns * layer.kernel**2))
            shared[f"{name}.weight"] = normal(f"{name}.weight", shape) * std
            shared[f"{name}.bias"] = normal(f"{name}.bias", shape[:1]) * (std if name.startswith("nlas.") else BIAS)
        image = list(image_places(extent.head))
        for name in ("head", "tail_expand"):
            shared[f"{name}.weight"][image] = 0
            shared[f"{name}.bias"][image] = 0
        shared["head.bias"] = -MEAN_GREY * shared["head.weight"].sum(dim=(1, 2))
        shared["tail_expand.weight"] *= NEW_SHARE
        shared["out.weight"].zero_()
        shared["out.bias"].zero_()
        kept = extent.depth * extent.core
        for number in range(extent.gidbs):
            handed_on = shared[f"gidbs.{number}.fuse.weight"][extent.core :]
            handed_on[:, :kept] *= NEW_SHARE
            handed_on[:, kept:] = 0
        return shared


def _gidb(
    name: str, gidb: GidbPlan, shallow: Channels, deep: Channels, inputs: Channels, extent: Extent, last: bool
) -> dict[str, Part]:
    """The last GIDB of a network has no deep outputs, and the last Gblock of each passes nothing on."""
    found: dict[str, Part] = {}
    outputs = extent.core + extent.deep
    shallow_only = placed(outputs, (0, shallow))
    width = inputs
    for index, gblock in enumerate(gidb.gblocks):
        passed_on = gblock.mix.outputs - gidb.shallow
        inner = strided(passed_on, extent.deep) if passed_on else None
        rows = side_by_side(shallow, inner) if inner else shallow_only
        place = f"{name}.gblocks.{index}"
        groups = gblock.grouped.groups
        own = (f"{place}.grouped.in_{groups}", groups) if extent.own_groups else (f"{place}.grouped", 1)
        found |= shared_conv(f"{place}.grouped", own[0], rows, width, 3, groups, shared_groups=own[1])
        found |= shared_conv(f"{place}.mix", f"{place}.mix", rows, rows, 1)
        width = inner or width
    kept = len(gidb.gblocks) * gidb.shallow
    columns = placed(
        extent.depth * extent.core + inputs.of,
        *((index * extent.core, shallow) for index in range(len(gidb.gblocks))),
        (extent.depth * extent.core, inputs),
    )
    same = [
        Fixed(gidb.shallow + index, kept + index % len(inputs.places), centre(1)) for index in range(len(deep.places))
    ]
    rows = shallow_only if last else side_by_side(shallow, deep)
    return found | shared_conv(f"{name}.fuse", f"{name}.fuse", rows, columns, 1, fixed=[] if last else same)


def _layers(extent: Extent) -> dict[str, _Layer]:
    """Every shared convolution. Variances are He's where an activation follows, half of it where none does, and torch's
    own in attention."""
    outputs = extent.core + extent.deep
    found = {"head": _Layer(extent.head, 3, 3, 1.0)}
    for number in range(extent.gidbs):
        inputs = width = extent.deep if number else extent.head
        for index in range(extent.depth):
            grouped = f"gidbs.{number}.gblocks.{index}.grouped"
            if extent.own_groups:
                own = {f"{grouped}.in_{groups}": _Layer(outputs, width, 3, 2.0, groups) for groups in extent.own_groups}
                found |= own
            else:
                found[grouped] = _Layer(outputs, width, 3, 2.0)
            found[f"gidbs.{number}.gblocks.{index}.mix"] = _Layer(outputs, outputs, 1, 2.0)
            width = extent.deep
        found[f"gidbs.{number}.fuse"] = _Layer(outputs, extent.depth * extent.core + inputs, 1, 1.0)
    quarter = extent.deep // 4
    for after in extent.nla_after:
        found[f"nlas.after_{after}.qkv"] = _Layer(3 * quarter, extent.deep, 1, 1 / 3)
        found[f"nlas.after_{after}.out"] = _Layer(extent.deep, quarter, 1, 1 / 3)
    found["tail_fuse"] = _Layer(4 * extent.core, extent.gidbs * extent.core, 1, 2.0)
    found["tail_expand"] = _Layer(extent.head, 4 * extent.core, 3, 2.0)
    found["out"] = _Layer(3 * extent.scale**2, extent.head, 3, 1.0)
    return found


SHARING = ImdeceptionSharing()
