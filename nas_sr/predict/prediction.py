"""A latency that nobody measured: what a calibrated model expects, how sure it is of it, and on what grounds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

OUTSIDE = "outside the calibrated networks"  # begins the label that says in what a network is


class Grounds(BaseModel):
    """What a prediction rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # "measured here" or the publication
    digest: str  # of the calibration file's points
    points: int
    cross_validated_error: float  # mean absolute error, as a share, on points left out of the fit


class Prediction(BaseModel):
    """One network's expected latency on one target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["predicted"] = "predicted"
    target: str  # name of the hardware profile
    network: str  # digest of the spec
    lr_height: int
    lr_width: int
    latency_ms: float
    low_ms: float
    high_ms: float
    level: float = 0.8  # share of networks whose measured latency lies between low_ms and high_ms
    bound_ms: float  # hardly any network takes less: see bound_level
    bound_level: float = 0.95  # share of networks whose measured latency is at least bound_ms
    reference_ms: float | None = None  # what the reference network takes where this was calibrated, if that is known
    calibration: Grounds
    labels: tuple[str, ...] = ()  # what a reader must know

    @model_validator(mode="before")
    @classmethod
    def _bound_of_version_1(cls, value: Any) -> Any:
        """Version 0.1 had the interval only, and took its lower end for a bound."""
        if isinstance(value, dict) and "bound_ms" not in value and "low_ms" in value:
            return {**value, "bound_ms": value["low_ms"], "bound_level": (1 + value.get("level", 0.8)) / 2}
        return value

    def relative_to(self, target_reference_ms: float | None) -> Prediction:
        """The same prediction for a target on which the reference network takes that long, so that it compares with
        latencies that were measured there; itself where either of the two is not known."""
        if target_reference_ms is None or self.reference_ms is None:
            return self
        factor = target_reference_ms / self.reference_ms
        scaled = {name: getattr(self, name) * factor for name in ("latency_ms", "low_ms", "high_ms", "bound_ms")}
        return self.model_copy(update={**scaled, "reference_ms": target_reference_ms})

    @property
    def outside(self) -> str | None:
        """In what the network is unlike all that the calibration measured; None where it is like them."""
        return next((label for label in self.labels if label.startswith(OUTSIDE)), None)

    @property
    def energy_mj(self) -> float | None:
        """Nobody predicts it."""
        return None

    def summary(self) -> dict[str, Any]:
        """The figures a reader needs; the keys of a measurement's that make sense here."""
        return {
            "latency_ms": self.latency_ms,
            "low_ms": self.low_ms,
            "high_ms": self.high_ms,
            "level": self.level,
            "bound_ms": self.bound_ms,
            "bound_level": self.bound_level,
            "kind": self.kind,
            "target": self.target,
            "lr_height": self.lr_height,
            "lr_width": self.lr_width,
            "calibration": self.calibration.model_dump(),
            "stable": None,
            "labels": list(self.labels),
        }
