"""A latency as it is kept in a study: measured, predicted, or found to be impossible. The kind is always with it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nas_sr.measure.measurement import Measurement
from nas_sr.predict.prediction import Prediction

Latency = Measurement | Prediction


class Impossible(BaseModel):
    """This network cannot be built or run on this target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["impossible"] = "impossible"
    target: str
    reason: str


def is_over(latency: Latency, limit_ms: float) -> bool:
    """Whether a latency rules a network out: a measured one, or a predicted one that is surely too slow."""
    return (latency.bound_ms if latency.kind == "predicted" else latency.latency_ms) > limit_ms
