"""IMDeception: grouped information distilling, a global progressive refinement, and non-local attention.

Paper: "IMDeception: Grouped Information Distilling Super-Resolution Network", CVPR Workshops 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas_sr.families.base import AttentionPlan, Copy, Family, Layers
from nas_sr.families.imdeception.features import features
from nas_sr.families.imdeception.plan import plan
from nas_sr.families.imdeception.spec import ImdeceptionSpec


class Imdeception(Family[ImdeceptionSpec]):
    """See the module."""

    name = "imdeception"
    title = "IMDeception"
    spec_type = ImdeceptionSpec
    presets: Mapping[str, ImdeceptionSpec] = {
        "imdeception-c16-nla": ImdeceptionSpec(core=16, nla_after=(2, 4)),
        "imdeception-c16": ImdeceptionSpec(core=16),
        "imdeception-c12": ImdeceptionSpec(core=12),
        "imdeception-c8": ImdeceptionSpec(core=8),
        "imdeception-c4-nla": ImdeceptionSpec(core=4, nla_after=(2, 4)),
        "imdeception-c4": ImdeceptionSpec(core=4),
    }

    table_fields = ("core", "groups", "gidbs", "depth", "split", "nla_after", "head")
    counted_features = frozenset({"attention"})

    def layers(self, spec: ImdeceptionSpec) -> Layers:
        """The layers; splits and concatenations are of parts of `core` channels."""
        numbers = plan(spec)
        copied = [gblock.mix.outputs for gidb in numbers.gidbs for gblock in gidb.gblocks[:-1]]
        copied += [gidb.fuse.outputs for gidb in numbers.gidbs[:-1]]
        copied += [gidb.fuse.inputs for gidb in numbers.gidbs]
        copied += [numbers.tail_fuse.inputs]
        # Each 3x3 convolution on the longest path reaches one pixel further (head, tail_expand and out besides the
        # Gblocks'), each attention to the end of its window; halos are whole windows.
        reach = 3 + sum(len(gidb.gblocks) for gidb in numbers.gidbs)
        reach += len(numbers.nlas) * (spec.nla_window - 1)
        step = spec.nla_window if numbers.nlas else 1
        return Layers(
            scale=numbers.scale,
            convs=tuple(numbers.convs()),
            additions=(numbers.head.outputs, *(nla.out.outputs for nla in numbers.nlas)),
            copies=tuple(Copy(channels, numbers.shallow) for channels in copied),
            attentions=tuple(AttentionPlan(nla.out.inputs, nla.patch, nla.window) for nla in numbers.nlas),
            reach=-(-reach // step) * step,
            step=step,
        )

    def identity(self, spec: ImdeceptionSpec) -> list[Any]:
        """Every convolution and attention."""
        return plan(spec).identity()

    def features(self, spec: ImdeceptionSpec) -> Mapping[str, float]:
        """See nas_sr.families.imdeception.features."""
        return features(spec)._asdict()

    def from_parameters(self, values: Mapping[str, Any]) -> ImdeceptionSpec:
        """The network of these parameters; attention past the last deep output is dropped."""
        gidbs = values.get("gidbs", ImdeceptionSpec.model_fields["gidbs"].default)
        placement = tuple(after for after in values.get("nla_after", ()) if after < gidbs)
        return super().from_parameters({**values, "nla_after": placement})


FAMILY = Imdeception()
