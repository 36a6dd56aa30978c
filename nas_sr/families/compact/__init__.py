"""Compact: a plain chain of 3x3 convolutions and a pixel shuffle, in Real-ESRGAN's layout (SRVGGNetCompact).

Paper: "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", ICCV Workshops 2021, and its
code's later, smaller networks. spandrel knows the layout, so exports load in tools built on it, whatever their width
and depth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from nas_sr.families.base import Family, Layers
from nas_sr.families.compact.spec import CompactSpec


class Compact(Family[CompactSpec]):
    """See the module."""

    name = "compact"
    title = "compact"
    spec_type = CompactSpec
    presets: Mapping[str, CompactSpec] = {
        f"compact-{width}x{depth}": CompactSpec(width=width, depth=depth)
        for width, depth in ((16, 4), (24, 8), (32, 8), (48, 6), (64, 16), (64, 32))
    }
    table_fields = ("width", "depth", "activation", "skip", "branches")
    counted_features = frozenset({"prelu", "skip"})

    def layers(self, spec: CompactSpec) -> Layers:
        """The chain; each convolution reaches one pixel further."""
        return Layers(
            scale=spec.scale,
            convs=spec.convs,
            additions=(3 * spec.scale**2,) if spec.skip == "nearest" else (),
            slopes=spec.width * (spec.depth + 1) if spec.activation == "prelu" else 0,
            reach=len(spec.convs),
        )

    def identity(self, spec: CompactSpec) -> list[Any]:
        """All fields: no two say the same."""
        return [spec.family, spec.scale, spec.width, spec.depth, spec.activation, spec.skip, spec.branches]

    def features(self, spec: CompactSpec) -> Mapping[str, float]:
        """Width, the number of convolutions and scale; the two switches count as an octave each."""
        return {
            "width": math.log2(spec.width),
            "convolutions": math.log2(len(spec.convs)),
            "scale": math.log2(spec.scale),
            "prelu": float(spec.activation == "prelu"),
            "skip": float(spec.skip == "nearest"),
        }


FAMILY = Compact()
