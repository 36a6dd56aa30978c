"""The spec of a network from the shapes of its weights, for files that do not name their architecture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from torch import Tensor

from nas_sr.families.imdeception.plan import plan
from nas_sr.families.imdeception.spec import ImdeceptionSpec


def inferred_spec(state: Mapping[str, Tensor]) -> ImdeceptionSpec | None:
    """The spec without its attention, which leaves no trace of its place in the weights; None where no spec fits.

    Where several specs are the same network, one of them. That every weight fits is for the caller to check.
    """
    try:
        return _inferred(state)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):  # no such weight or shape, or no such network
        return None


def attentions(state: Mapping[str, Tensor]) -> int:
    """How many attentions the weights have."""
    return _count(state, r"nlas\.(\d{1,3})\.qkv\.weight")


def _inferred(state: Mapping[str, Tensor]) -> ImdeceptionSpec:
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    core = shapes["tail_fuse.weight"][0] // 4
    depth = _count(state, r"gidbs\.0\.gblocks\.(\d{1,3})\.grouped\.weight")
    gidbs = _count(state, r"gidbs\.(\d{1,3})\.fuse\.weight")
    if gidbs > 1:
        deep = shapes["gidbs.0.fuse.weight"][0] - core
    else:  # the last GIDB is the only one: its deep path is one core narrower
        deep = shapes["gidbs.0.gblocks.0.mix.weight"][0] if depth > 1 else core
    without_groups = ImdeceptionSpec(
        scale=math.isqrt(shapes["out.weight"][0] // 3),
        core=core,
        groups=1,
        gidbs=gidbs,
        depth=depth,
        split=deep / core,
        head=shapes["head.weight"][0],
    )
    grouped = [gblock.grouped for gidb in plan(without_groups).gidbs for gblock in gidb.gblocks]
    groups = math.lcm(*(conv.inputs // shapes[f"{conv.name}.weight"][1] for conv in grouped))
    return ImdeceptionSpec.model_validate({**without_groups.model_dump(), "groups": groups})


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max((int(match[1]) for name in state if (match := re.fullmatch(pattern, name))), default=-1)
