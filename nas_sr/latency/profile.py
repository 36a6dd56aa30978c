"""What is measured on: a target's facts and the rules of measuring there, from hw_profiles/*.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_sr import shipped
from nas_sr.config import Config, Positive, Share, read_yaml

Seconds = Annotated[float, Field(gt=0)]
Tolerance = Annotated[float, Field(gt=0)]


class Protocol(Config):
    """How samples are taken and when they are believed. Warm-up and window last until both their limits are reached."""

    warmup_s: Seconds
    warmup_iterations: Positive
    seconds: Seconds = Field(description="length of the sampling window")
    iterations: Positive = Field(description="samples of the candidate in the window, at least")
    reference_share: Share = Field(
        description="most time spent on the reference network, as a share of the candidate's"
    )
    max_foreign_cpu: Tolerance = Field(description="cores' worth of CPU time others may use during the window")
    max_iqr: Tolerance = Field(description="largest distance between the quartiles, as a share of the median")
    max_halves: Tolerance = Field(description="largest change of a median from the window's first half to its second")
    max_reference_drift: Tolerance = Field(description="largest distance of the reference network from its usual time")
    retries: Annotated[int, Field(ge=0)] = Field(description="times an unstable measurement is taken again")
    retry_pause_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="pause before the first retry, twice as long before each further one"
    )
    limit_s: Seconds = Field(description="one attempt is ended after this time")

    @model_validator(mode="after")
    def _window_fits_limit(self) -> Protocol:
        needed = self.warmup_s + self.seconds * (1 + self.reference_share)
        if needed > self.limit_s:
            raise ValueError(f"limit_s must leave time for warm-up and window ({needed:g}), but got {self.limit_s:g}")
        return self


class HardwareProfile(Config):
    """One target: how its latency is taken, and at which LR input size (batch 1)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    title: str
    backend: Literal["onnxruntime"]
    lr_height: Positive
    lr_width: Positive
    threads: Positive | Literal["physical"] = Field("physical", description="intra-op threads; physical: one a core")
    protocol: Protocol

    @field_validator("threads", mode="before")
    @classmethod
    def _number_or_physical(cls, value: Any) -> Any:
        # pydantic reports a value that fits no member of a union once for each member.
        if value != "physical" and not (isinstance(value, int) and value >= 1):
            raise ValueError("must be a number of threads, at least 1, or 'physical'")
        return value

    @property
    def device(self) -> str:
        """The device that one measurement has to itself: see device_lock."""
        return "cpu"


def profile(name_or_path: str) -> HardwareProfile:
    """The profile of a shipped name or of a user's own file.

    Raises:
        UsageError: no such profile (the shipped ones are listed, nearest first), or a wrong key in it.
    """
    return read_yaml(shipped.find("hw_profiles", name_or_path), HardwareProfile)
