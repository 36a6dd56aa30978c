"""What a device is on paper: the figures that a predicted latency starts from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nas_sr.config import Config, Positive

Rate = Annotated[float, Field(gt=0)]


class Facts(Config):
    """Peaks of a device as its maker gives them: dense tensor-core rates, FP32 on its ordinary cores."""

    compute_capability: str | None = None
    sms: Positive | None = None
    fp32_tflops: Rate | None = None
    fp16_tflops: Rate | None = None
    int8_tops: Rate | None = None
    bandwidth_gb_s: Rate | None = None
    l2_mb: Rate | None = None
    watts: Rate | None = None
    channel_tile: Positive = Field(8, description="kernels pad channels to multiples of this")
