"""The family's modules: Gblock, GIDB and NLA, each built from its plan."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_sr.families.imdeception.plan import GblockPlan, GidbPlan, NlaPlan
from nas_sr.families.network import conv

LEAK = 0.05


class Gblock(nn.Module):
    """Grouped 3x3 convolution, ReLU, 1x1 convolution."""

    def __init__(self, plan: GblockPlan) -> None:
        super().__init__()
        self.grouped = conv(plan.grouped)
        self.mix = conv(plan.mix)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w)."""
        return self.mix(F.relu(self.grouped(x)))


class Gidb(nn.Module):
    """Grouped information distilling block: each Gblock keeps `shallow` channels and passes the rest on."""

    def __init__(self, plan: GidbPlan) -> None:
        super().__init__()
        self.shallow = plan.shallow
        self.gblocks = nn.ModuleList(Gblock(gblock) for gblock in plan.gblocks)
        self.fuse = conv(plan.fuse)
        self.widths = [gblock.mix.outputs - plan.shallow for gblock in plan.gblocks[:-1]]

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h, w); no activation after the fusion."""
        kept = []
        deep = x
        for gblock, width in zip(self.gblocks, [*self.widths, 0], strict=True):
            y = F.leaky_relu(gblock(deep), LEAK)
            if width:
                shallow, deep = torch.split(y, [self.shallow, width], dim=1)
                kept.append(shallow)
            else:
                kept.append(y)
        return self.fuse(torch.cat([*kept, x], dim=1))


class Nla(nn.Module):
    """Non-local attention between patches inside windows, added to its input."""

    def __init__(self, plan: NlaPlan) -> None:
        super().__init__()
        self.patch, self.window = plan.patch, plan.window
        self.quarter = plan.out.inputs
        self.qkv = conv(plan.qkv)
        self.out = conv(plan.out)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> (n, c, h, w), any h and w: zero-padded right and bottom to whole windows, then cropped."""
        height, width = x.shape[2], x.shape[3]
        y = F.pad(self.qkv(x), (0, -width % self.window, 0, -height % self.window))
        tokens = self._tokens(y)
        query, key, value = tokens[0], tokens[1], tokens[2]
        attention = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        y = self._unfold(attention @ value, y.shape[2] // self.window, y.shape[3] // self.window)
        return self.out(y[:, :, :height, :width]) + x

    def _tokens(self, y: Tensor) -> Tensor:
        """(n, 3q, h, w) -> (3, n * windows, patches, q * patch^2); a token is channel-major, then row, column."""
        n, p, side = y.shape[0], self.patch, self.window // self.patch
        rows, columns = y.shape[2] // self.window, y.shape[3] // self.window
        # Six dimensions at most: TensorRT allows eight, ONNX runtimes for small devices often six.
        y = y.reshape(n * 3 * self.quarter * rows, side, p, columns, side, p)
        y = y.permute(0, 3, 1, 4, 2, 5)
        y = y.reshape(n * 3, self.quarter, rows * columns, side * side, p * p)
        y = y.permute(0, 2, 3, 1, 4)
        y = y.reshape(n, 3, rows * columns, side * side, self.quarter * p * p)
        return y.permute(1, 0, 2, 3, 4)

    def _unfold(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """The inverse of `_tokens` for one of its three parts: (n, windows, patches, q * patch^2) -> (n, q, h, w)."""
        n, p, side = tokens.shape[0], self.patch, self.window // self.patch
        y = tokens.reshape(n, rows * columns, side * side, self.quarter, p * p)
        y = y.permute(0, 3, 1, 2, 4)
        y = y.reshape(n * self.quarter * rows, columns, side, side, p, p)
        y = y.permute(0, 2, 4, 1, 3, 5)
        return y.reshape(n, self.quarter, rows * self.window, columns * self.window)
