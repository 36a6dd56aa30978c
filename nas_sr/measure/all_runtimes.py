"""One network by every runtime of a device, in every precision that the runtime can be asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.settings import Precision
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile


class RuntimeRow(NamedTuple):
    """A runtime in a precision: a measurement, or why there is none."""

    backend: str
    precision: Precision
    latency: Measurement | None
    reason: str

    def summary(self) -> dict[str, Any]:
        """Plain values: those of the measurement, or nulls; `reason` is empty where there is one."""
        if self.latency is not None:
            return {**self.latency.summary(), "reason": ""}
        figures = dict.fromkeys(("latency_ms", "raw_latency_ms", "relative_latency", "stable"))
        return {"backend": self.backend, "precision": self.precision, **figures, "reason": self.reason}


def by_all_runtimes(profile: HardwareProfile, measured: Callable[[HardwareProfile], Measurement]) -> list[RuntimeRow]:
    """A row for each runtime and precision that the device of a profile may have.

    Milliseconds compare between the rows. A relative latency does not: it is relative to the reference network by the
    same runtime in the same precision.

    Args:
        profile: a target; its own backends and precision do not matter.
        measured: the network's latency on a target.
    """
    device = RUNTIMES[profile.backends[0]].device
    return [
        _row(profile.model_copy(update={"backends": (name,), "precision": precision}), measured)
        for name, runtime in RUNTIMES.items()
        if runtime.device == device
        for precision in runtime.precisions
    ]


def _row(profile: HardwareProfile, measured: Callable[[HardwareProfile], Measurement]) -> RuntimeRow:
    (backend,) = profile.backends
    try:
        return RuntimeRow(backend, profile.precision, measured(profile), "")
    except MeasurementFailed as failure:
        return RuntimeRow(backend, profile.precision, None, failure.text)
