"""Large images in tiles that give the very pixels of the whole image, with memory bounded by the tile."""

from __future__ import annotations

from torch import Tensor

from nas_sr.arch.network import Network
from nas_sr.arch.plan import plan
from nas_sr.arch.spec import ArchSpec

TILE = 512  # LR pixels; images up to this size go through whole


def halo(spec: ArchSpec) -> int:
    """LR pixels around a tile on which its output depends, rounded up to whole attention windows.

    Each 3x3 convolution on the longest path reaches one pixel further, each attention to the end of its window.
    """
    numbers = plan(spec)
    reach = 3 + sum(len(gidb.gblocks) for gidb in numbers.gidbs)  # head, tail_expand and out besides the Gblocks
    reach += len(numbers.nlas) * (spec.nla_window - 1)
    step = _step(spec)
    return -(-reach // step) * step


def forward_tiled(network: Network, lr: Tensor, tile: int = TILE) -> Tensor:
    """`network(lr)` for (1, 3, h, w), computed in tiles of about `tile` x `tile` LR pixels when it is larger."""
    height, width = lr.shape[2], lr.shape[3]
    if height <= tile and width <= tile:
        return network(lr)
    spec = network.spec
    scale, margin, step = spec.scale, halo(spec), _step(spec)
    # Origins on whole windows, so that attention sees the windows of the whole image.
    side = max(step, tile // step * step)
    output = lr.new_empty((1, 3, height * scale, width * scale))
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            first_row, first_column = max(top - margin, 0), max(left - margin, 0)
            part = network(lr[:, :, first_row : bottom + margin, first_column : right + margin])
            output[:, :, top * scale : bottom * scale, left * scale : right * scale] = part[
                :,
                :,
                (top - first_row) * scale : (bottom - first_row) * scale,
                (left - first_column) * scale : (right - first_column) * scale,
            ]
    return output


def _step(spec: ArchSpec) -> int:
    return spec.nla_window if spec.nla_after else 1
