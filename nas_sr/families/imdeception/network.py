"""The network of an ImdeceptionSpec."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_sr.families.imdeception.blocks import LEAK, Gidb, Nla
from nas_sr.families.imdeception.initialisation import initialise
from nas_sr.families.imdeception.plan import plan
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.network import FamilyNetwork, conv


class Network(FamilyNetwork):
    """IMDeception: GIDBs chained on a deep path, their shallow outputs gathered (GPRM), and a pixel-shuffle tail.

    Paper: "IMDeception: Grouped Information Distilling Super-Resolution Network", CVPR Workshops 2022.
    """

    spec: ImdeceptionSpec

    def __init__(self, spec: ImdeceptionSpec) -> None:
        super().__init__()
        numbers = plan(spec)
        self.spec = spec
        self.head = conv(numbers.head)
        self.gidbs = nn.ModuleList(Gidb(gidb) for gidb in numbers.gidbs)
        self.nlas = nn.ModuleList(Nla(nla) for nla in numbers.nlas)
        self.tail_fuse = conv(numbers.tail_fuse)
        self.tail_expand = conv(numbers.tail_expand)
        self.out = conv(numbers.out)

    def forward(self, image: Tensor) -> Tensor:
        """RGB in [0, 1], (n, 3, h, w) -> (n, 3, scale * h, scale * w), not clamped."""
        deep = features = self.head(image)
        attention = dict(zip(self.spec.nla_after, self.nlas, strict=True))
        gathered = []
        for number, gidb in enumerate(self.gidbs[:-1], start=1):
            shallow, deep = torch.split(gidb(deep), [self.spec.core, self.spec.deep], dim=1)
            gathered.append(shallow)
            if number in attention:
                deep = attention[number](deep)
        gathered.append(self.gidbs[-1](deep))
        y = F.leaky_relu(self.tail_fuse(torch.cat(gathered, dim=1)), LEAK)
        y = F.leaky_relu(self.tail_expand(y), LEAK) + features
        return F.pixel_shuffle(self.out(y), self.spec.scale)

    def initialise(self) -> None:
        """See nas_sr.families.imdeception.initialisation."""
        initialise(self)
