"""The work of a network as times at a device's peak rates, for a calibration to say how far from them it runs.

A roofline (Williams, Waterman, Patterson: "Roofline: an insightful visual performance model", 2009) takes the longer of
arithmetic and memory time for each layer. Here the times are added, each with a coefficient of its own: measured on a
CPU (63 members of the family, 20 of them drawn to fit and the rest to judge, 25 times over) the sum was off by 4.7 % in
the mean and the longer of the two by 6.2 %; with channels padded to 8 instead of 16 by 6.5 and 7.6 %. Kernels overlap
arithmetic and memory only in part, and a sum has one best set of coefficients.
"""

from __future__ import annotations

from typing import NamedTuple

from nas_sr.device_program.settings import Precision
from nas_sr.families.base import AttentionPlan, ConvPlan, Layers, Spec
from nas_sr.families.registry import family_of
from nas_sr.measure.device_facts import Facts

BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "bf16": 2}
# Of a device without facts: what one of its kernels pads channels to is found by calibration.
TILES = (1, 4, 8, 16, 32)


class Terms(NamedTuple):
    """What a forward pass consists of: milliseconds at the peak rates; launches are a number."""

    grouped: float  # multiply-accumulates of grouped convolutions
    padding: float  # those that padding the channels of each group adds
    spatial: float  # multiply-accumulates of 3x3 convolutions without groups, channels padded
    pointwise: float  # those of 1x1 convolutions, channels padded, and of the attention's matrix products
    traffic: float  # bytes read and written by convolutions, additions and the pixel shuffle, channels padded
    unfolded: float  # bytes of the grouped convolutions' inputs, copied once for each tap (im2col)
    copies: float  # bytes that splits and concatenations move where parts do not begin on multiples of the tile
    attention: float  # bytes of queries, keys, values, results and scores, written and read, windows padded
    launches: float  # convolutions


class Roofline(NamedTuple):
    """An LR size (batch 1), a precision, and a device's peaks. A peak that is not known is a unit rate.

    Unit rates are 1e12 multiply-accumulates and 1e9 bytes a second.
    """

    lr_height: int
    lr_width: int
    precision: Precision
    facts: Facts | None = None

    @property
    def tiles(self) -> tuple[int, ...]:
        """What the kernels may pad channels to."""
        return (self.facts.channel_tile,) if self.facts else TILES

    @property
    def mac_ms(self) -> float:
        """One multiply-accumulate at the peak; vendors count it as two operations."""
        return 1e-9 / (self._tflops / 2 if self._tflops else 1.0)

    @property
    def byte_ms(self) -> float:
        """One byte at the peak."""
        return 1e-6 / (self._bandwidth_gb_s or 1.0)

    @property
    def at_peak(self) -> tuple[str, ...]:
        """Terms that are times at a known peak, not at a unit rate."""
        compute = ("grouped", "padding", "spatial", "pointwise") if self._tflops else ()
        memory = ("traffic", "unfolded", "copies", "attention") if self._bandwidth_gb_s else ()
        return compute + memory

    @property
    def _tflops(self) -> float | None:
        if self.facts is None:
            return None
        return self.facts.fp32_tflops if self.precision == "fp32" else self.facts.fp16_tflops

    @property
    def _bandwidth_gb_s(self) -> float | None:
        return self.facts.bandwidth_gb_s if self.facts else None

    def terms(self, spec: Spec, tile: int) -> Terms:
        """The terms of a network.

        Args:
            spec: the network.
            tile: kernels pad channels to multiples of it; in a grouped convolution the channels of each group.
        """
        layers = family_of(spec).layers(spec)
        kinds = _by_kind(layers)
        pixels = self.lr_height * self.lr_width
        element_ms = self.byte_ms * BYTES[self.precision]
        weights = sum(_weights(conv, tile) for conv in layers.convs)
        grouped = sum(_weights(conv, 1) for conv in kinds["grouped"])
        attended = [(_padded(self.lr_height, each) * _padded(self.lr_width, each), each) for each in layers.attentions]
        return Terms(
            grouped=self.mac_ms * pixels * grouped,
            padding=self.mac_ms * pixels * (sum(_weights(conv, tile) for conv in kinds["grouped"]) - grouped),
            spatial=self.mac_ms * pixels * sum(_weights(conv, tile) for conv in kinds["spatial"]),
            pointwise=self.mac_ms
            * (
                pixels * sum(_weights(conv, tile) for conv in kinds["pointwise"])
                # Query times key, and score times value.
                + sum(size * 2 * each.channels * each.tokens for size, each in attended)
            ),
            traffic=element_ms * (pixels * _channels_moved(layers, tile) + weights),
            unfolded=element_ms * pixels * sum(conv.kernel**2 * conv.inputs for conv in kinds["grouped"]),
            copies=element_ms * pixels * 2 * _channels_copied(layers, tile),
            attention=element_ms
            * 2
            * sum(size * (4 * each.channels + each.tokens / each.patch**2) for size, each in attended),
            launches=float(len(layers.convs)),
        )


def multiple(channels: int, tile: int) -> int:
    """The next multiple of the tile."""
    return -(-channels // tile) * tile


def _by_kind(layers: Layers) -> dict[str, list[ConvPlan]]:
    kinds: dict[str, list[ConvPlan]] = {"grouped": [], "spatial": [], "pointwise": []}
    for conv in layers.convs:
        kinds["grouped" if conv.groups > 1 else "pointwise" if conv.kernel == 1 else "spatial"].append(conv)
    return kinds


def _weights(conv: ConvPlan, tile: int) -> int:
    """Weights of a convolution as its kernel holds them, which are also its multiply-accumulates for one pixel."""
    inputs, outputs = multiple(conv.inputs // conv.groups, tile), multiple(conv.outputs // conv.groups, tile)
    return inputs * outputs * conv.groups * conv.kernel**2


def _channels_moved(layers: Layers, tile: int) -> int:
    """Channels read and written by all convolutions, the additions (two read, one written) and the pixel shuffle."""
    convs = sum(multiple(conv.inputs, tile) + multiple(conv.outputs, tile) for conv in layers.convs)
    shuffled = 3 * layers.scale**2
    return convs + 3 * sum(multiple(channels, tile) for channels in layers.additions) + 2 * shuffled


def _channels_copied(layers: Layers, tile: int) -> int:
    """Channels that splits and concatenations move.

    Where parts begin on multiples of the tile, a runtime lets convolutions read and write them in place.
    """
    return sum(copy.channels for copy in layers.copies if copy.part % tile)


def _padded(side: int, attention: AttentionPlan) -> int:
    return multiple(side, attention.window)
