"""What makes a study's latencies on one target comparable: one device with one software, and one reference latency.

The reference network is timed with care when an epoch begins. Every latency of the epoch is a ratio to that network,
taken together with it, times this one figure. Another GPU, runtime or driver needs a new epoch: latencies of two epochs
are never compared.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nas_sr.callbacks import Tell
from nas_sr.config import Config, flat
from nas_sr.errors import UsageError
from nas_sr.files import locked, write_json
from nas_sr.measure.latency_cache import device_there, measured_reference
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile

EPOCHS = "latency_epochs"


class Epoch(Config):
    """One epoch of the latencies on one target."""

    id: str
    began: str  # ISO 8601, UTC
    device: dict[str, Any]  # machine, GPU, versions of runtime and driver
    reference: Measurement

    @property
    def reference_ms(self) -> float:
        """What the reference network takes in this epoch."""
        return median([run.reference_latency_ms for run in self.reference.repeats] or self.reference.reference_ms)


_EPOCHS = TypeAdapter(list[Epoch])


class LatencyEpochs:
    """The epochs of a study on one target, kept in its folder as latency_epochs/TARGET.json; the last one counts."""

    def __init__(self, study_dir: Path, profile: HardwareProfile) -> None:
        self._path = study_dir / EPOCHS / f"{profile.name}.json"
        self._profile = profile

    def current(self) -> Epoch | None:
        """The epoch that counts; None before the device was measured for the first time."""
        return current_epoch(self._path.parent.parent, self._profile.name)

    def current_or_begun(self, progress: Tell | None = None) -> Epoch:
        """The epoch that counts; the first one begins here. Of several processes one measures and the others wait.

        Raises:
            MeasurementFailed: the reference network cannot be measured.
        """
        found = self.current()
        if found is not None:
            return found
        with locked(self._path.with_suffix(".lock")):
            return self.current() or self._begin(progress)

    def begin(self, progress: Tell | None = None) -> Epoch:
        """A new epoch for the device and software that are there now.

        Raises:
            MeasurementFailed: the reference network cannot be measured.
        """
        with locked(self._path.with_suffix(".lock")):
            return self._begin(progress)

    def changes(self) -> list[str]:
        """What is there now and was not when the epoch began; nothing before the first one.

        Raises:
            MeasurementFailed: the device does not answer and never has.
        """
        found = self.current()
        if found is None:
            return []
        was, now = flat(found.device), flat(device_there(self._profile))
        return [
            f"{name} was {was.get(name)} and is now {now.get(name)}"
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name)
        ]

    def _begin(self, progress: Tell | None) -> Epoch:
        before = _read(self._path)
        try:
            reference = measured_reference(self._profile, progress)
        except MeasurementFailed as failure:  # without it nothing can be measured there
            raise MeasurementFailed("device" if failure.kind == "candidate" else failure.kind, failure.text) from None
        begun = Epoch(
            id=uuid.uuid4().hex[:12],
            began=datetime.now(UTC).isoformat(timespec="seconds"),
            device=device_there(self._profile),
            reference=reference,
        )
        write_json(self._path, [epoch.model_dump(mode="json") for epoch in (*before, begun)])
        return begun


def current_epoch(study_dir: Path, target: str) -> Epoch | None:
    """The epoch that counts for a study's latencies on a target; None before the first."""
    return next(reversed(_read(study_dir / EPOCHS / f"{target}.json")), None)


def _read(path: Path) -> list[Epoch]:
    """Every epoch in a file, oldest first.

    Raises:
        UsageError: the file is broken; latencies of an unknown epoch compare with nothing.
    """
    try:
        return _EPOCHS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except ValidationError:
        raise UsageError(
            f"{path}: broken, so the study cannot tell which of its latencies compare with each other; with the file"
            " removed, the same command begins a new epoch and measures them again"
        ) from None
