"""What a network makes of a few crops of the validation images, for eyes."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nas_sr.data.pack import Pack
from nas_sr.data.resize import upscale

_IMAGES, _SIDE_LR = 3, 32


@torch.inference_mode()
def sample_crops(network: nn.Module, pack: Pack) -> np.ndarray:
    """uint8 (height, width, 3): a row for each of the first three images: bicubic, the network's output, the original.

    Crops are from the middle, 32 LR pixels a side or as many as the smallest image has.
    """
    side, scale = min(_SIDE_LR, pack.smallest_lr), pack.scale
    device = next(network.parameters()).device
    rows = []
    for index in range(min(_IMAGES, len(pack))):
        height, width = pack.lr(index).shape[:2]
        top, left = (height - side) // 2, (width - side) // 2
        lr = pack.lr(index)[top : top + side, left : left + side]
        hr = pack.hr(index)[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        output = network(torch.tensor(lr, device=device).permute(2, 0, 1)[None].float().div(255))[0]
        output = (output.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        rows.append(np.concatenate([upscale(lr, scale), output, hr], axis=1))
    return np.concatenate(rows)
