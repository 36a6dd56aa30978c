"""Parameters, multiply-accumulates and activations, as the NTIRE efficient super-resolution challenge counts them."""

from __future__ import annotations

from typing import NamedTuple

from nas_sr.families.base import Spec
from nas_sr.families.registry import family_of


class Counts(NamedTuple):
    """Costs of one forward pass of the deployed network.

    Matrix products of the attention are not counted (the challenge's rule).
    """

    params: int
    macs_g: float  # multiply-accumulates of all convolutions, without bias, in 1e9
    ntire_flops_g: float  # macs plus one per output of an activation, in 1e9
    activations_m: float  # output elements of all convolutions, in 1e6
    convs: int


def counts(spec: Spec, height: int = 256, width: int = 256) -> Counts:
    """Costs of `spec` at an LR input of height x width pixels; 256x256 is the challenge's size."""
    layers = family_of(spec).layers(spec)
    convs = layers.convs
    pixels = height * width
    weights = [conv.inputs // conv.groups * conv.outputs * conv.kernel**2 for conv in convs]
    macs = pixels * sum(weights)
    return Counts(
        params=sum(weights) + sum(conv.outputs for conv in convs) + layers.slopes,
        macs_g=macs / 1e9,
        ntire_flops_g=(macs + pixels * sum(conv.outputs for conv in convs if conv.activated)) / 1e9,
        activations_m=pixels * sum(conv.outputs for conv in convs) / 1e6,
        convs=len(convs),
    )
