"""A latency as it is kept in a study: measured, predicted, or found to be impossible. The kind is always with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nas_sr.files import write_json
from nas_sr.latency.prediction import Prediction
from nas_sr.latency.record import Measurement

Latency = Measurement | Prediction


class Impossible(BaseModel):
    """This network cannot be built or run on this target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["impossible"] = "impossible"
    target: str
    reason: str


_KEPT: TypeAdapter[Latency | Impossible] = TypeAdapter(
    Annotated[Measurement | Prediction | Impossible, Field(discriminator="kind")]
)


def write_latency(path: Path, latency: Latency | Impossible) -> None:
    """Keeps a latency; what was there is replaced whole."""
    write_json(path, latency.model_dump(mode="json"))


def read_latency(path: Path) -> Latency | Impossible | None:
    """The latency in a file; None where there is none or the file is broken."""
    try:
        return _KEPT.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
