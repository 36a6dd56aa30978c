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


def figure_text(latency: Latency) -> str:
    """`12.34 ms`, `12.34 ms (not stable)` or `predicted 12.34 ms (11.00 to 13.80)`."""
    if latency.kind == "predicted":
        return f"predicted {latency.latency_ms:.2f} ms ({latency.low_ms:.2f} to {latency.high_ms:.2f})"
    return f"{latency.latency_ms:.2f} ms" + ("" if latency.stable else " (not stable)")


def as_taken(latency: Measurement) -> str:
    """What the clock said, where the figure is corrected for the device's drift; nothing where it is the same."""
    if latency.target_reference_ms is None or not latency.reference_ms:
        return ""
    return (
        f"taken as {latency.raw_latency_ms:.2f} ms while the reference network took"
        f" {latency.reference_latency_ms:.2f} ms, corrected to its {latency.target_reference_ms:.2f} ms"
    )


def is_over(latency: Latency, limit_ms: float) -> bool:
    """Whether a latency rules a network out: a measured one, or a predicted one that is surely too slow."""
    return (latency.bound_ms if latency.kind == "predicted" else latency.latency_ms) > limit_ms


def over_limit(latency: Latency, limit_ms: float) -> str:
    """Why a latency rules a network out, and how sure that is."""
    if latency.kind == "predicted":
        how = f"; {latency.bound_level:.0%} of such networks take more than {latency.bound_ms:.2f} ms"
    else:
        how = "" if latency.stable else "; it is measured again when the search ends"
    return f"{figure_text(latency)} on {latency.target} is over the limit of {limit_ms:g} ms{how}"


def caveat(latency: Latency) -> str:
    """What a reader of the figure must know, in a few words; nothing of a measurement that is stable."""
    if latency.kind == "predicted":
        return f"latency on {latency.target} predicted, {latency.low_ms:.2f} to {latency.high_ms:.2f} ms"
    return "" if latency.stable else f"latency on {latency.target} not stable: {'; '.join(latency.labels)}"
