"""A network as a small drawing: a bar for each convolution of what is deployed, in order of execution."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from nas_sr.families.base import ConvPlan, Spec
from nas_sr.families.registry import family_of
from nas_sr.quantities import percent, plural

BAR, GAP, BETWEEN, HEIGHT = 6, 2, 6, 64  # pixels: a bar's width, then to the next, between blocks, and the highest bar


class Bar(NamedTuple):
    """One convolution: its place and height [px], and what it is."""

    x: int
    height: int
    look: str  # "grouped", "pointwise" (1x1) or "dense"
    text: str


class Block(NamedTuple):
    """Convolutions that belong together, by the part of their names that they share."""

    name: str
    x: int
    width: int


class Diagram(NamedTuple):
    """Bars from left to right, and the brackets below them."""

    bars: tuple[Bar, ...]
    blocks: tuple[Block, ...]  # of more than one convolution
    width: int
    scale: int
    text: str  # for who does not see it


def diagram(spec: Spec) -> Diagram:
    """The drawing of a spec's deployed network; a bar is as high as the root of its channels."""
    layers = family_of(spec).layers(spec)
    widest = max(max(conv.inputs, conv.outputs) for conv in layers.convs)
    total = sum(map(_weights, layers.convs))
    bars: list[Bar] = []
    blocks: list[Block] = []
    x = 0
    for name, group in itertools.groupby(layers.convs, key=_block):
        convs, start = list(group), x
        for conv in convs:
            height = max(3, round(HEIGHT * math.sqrt(conv.outputs / widest)))
            bars.append(Bar(x, height, _look(conv), _text(conv, _weights(conv) / total)))
            x += BAR + GAP
        if len(convs) > 1:
            blocks.append(Block(name, start, x - GAP - start))
        x += BETWEEN
    attention = f", {plural(len(layers.attentions), 'attention')}" if layers.attentions else ""
    return Diagram(
        tuple(bars),
        tuple(blocks),
        x - BETWEEN - GAP,
        layers.scale,
        f"{plural(len(bars), 'convolution')}{attention}, at most {widest} channels, then ×{layers.scale}",
    )


def _block(conv: ConvPlan) -> str:
    """`gidbs.0` of `gidbs.0.gblocks.1.mix`; `body` of `body.4`: what a convolution is part of."""
    first, *rest = conv.name.split(".")
    return f"{first}.{rest[0]}" if len(rest) > 1 else first


def _look(conv: ConvPlan) -> str:
    if conv.kernel == 1:
        return "pointwise"
    return "grouped" if conv.groups > 1 else "dense"


def _text(conv: ConvPlan, share: float) -> str:
    groups = f" in {conv.groups} groups" if conv.groups > 1 else ""
    return f"{conv.name}: {conv.kernel}×{conv.kernel}, {conv.inputs} → {conv.outputs}{groups}, {percent(share)} of MACs"


def _weights(conv: ConvPlan) -> int:
    return conv.inputs // conv.groups * conv.outputs * conv.kernel**2
