"""What a calibration holds: measured latencies of some networks on one target, and how well they explain each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from statistics import median
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from nas_sr.config import Config, Positive, Share
from nas_sr.device_program.settings import Precision
from nas_sr.families.imdeception.spec import ArchSpec
from nas_sr.measure.device_facts import Facts

FEWEST_POINTS = 5

Measured = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Point(Config):
    """One network's latency, and where it was measured here, what the interleaved reference network took meanwhile."""

    spec: ArchSpec
    latency_ms: Measured
    relative_latency: Measured | None = Field(None, description="over the reference network's, run by run")
    reference_latency_ms: Measured | None = None
    measured_at: str | None = None


class Omitted(Config):
    """A network that was to be measured, and why it is no point."""

    spec: ArchSpec
    reason: str


class CrossValidation(Config):
    """Every point predicted from the others (where there are more than 20, in 20 parts), in percent of the measured."""

    mean_percent: Percent
    median_percent: Percent
    max_percent: Percent
    coverage: Share = Field(description="share of points inside their 80 % interval")


class Calibration(Config):
    """The points of one target at one LR size (batch 1), precision and backend."""

    format: Literal[1] = 1
    target: str = Field(description="name of the hardware profile")
    source: str = Field(description='"measured here", or the publication')
    lr_height: Positive
    lr_width: Positive
    precision: Precision | None = Field(description="null: the source does not say")
    backend: str
    facts: Facts | None = None
    points: Annotated[tuple[Point, ...], Field(min_length=FEWEST_POINTS)]
    omitted: tuple[Omitted, ...] = ()
    cross_validation: CrossValidation
    notes: tuple[str, ...] = Field((), description="what a reader of any prediction must know")
    machine: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    profile_digest: str | None = Field(None, description="of the profile that it was measured with")
    created_at: str = Field(description="ISO 8601, UTC")

    @model_validator(mode="after")
    def _points_differ(self) -> Calibration:
        digests = [point.spec.digest for point in self.points]
        if len(set(digests)) < len(digests):
            twice = next(digest for digest in digests if digests.count(digest) > 1)
            raise ValueError(f"points: network {twice} is there twice")
        return self

    @property
    def digest(self) -> str:
        """12 hex digits of what predictions depend on."""
        parts = self.model_dump(mode="json", include={"lr_height", "lr_width", "precision", "facts", "points"})
        return digest(parts)


class Latencies(NamedTuple):
    """Of a calibration's points."""

    milliseconds: tuple[float, ...]
    reference_ms: float | None  # the reference network's usual latency, where it corrected them; else None


def latencies(points: Sequence[Point]) -> Latencies:
    """Latencies as if the device had kept its usual speed, where every point knows its ratio to the reference network.

    On a virtual machine medians wander by 30 % within minutes, and the ratio stays within 3 %.
    """
    ratios = [point.relative_latency for point in points if point.relative_latency]
    references = [point.reference_latency_ms for point in points if point.reference_latency_ms]
    if len(ratios) < len(points) or len(references) < len(points):
        return Latencies(tuple(point.latency_ms for point in points), None)
    usual = median(references)
    return Latencies(tuple(ratio * usual for ratio in ratios), usual)


def digest(value: Any) -> str:
    """12 hex digits of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
