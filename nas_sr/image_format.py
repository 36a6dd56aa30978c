"""How a network takes an image: the words for it, everywhere."""

from __future__ import annotations

from typing import Literal

Layout = Literal["nchw", "nhwc"]  # (batch, channels, height, width) or (batch, height, width, channels)
Dtype = Literal["fp32", "fp16", "uint8"]

LAYOUTS: dict[str, Layout] = {"nchw": "nchw", "nhwc": "nhwc"}
