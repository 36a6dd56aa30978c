"""A target and its measurements, for the tests of calibrations."""

from __future__ import annotations

from typing import Any

from nas_sr.config import Config
from nas_sr.device_program.settings import Precision
from nas_sr.families.imdeception.spec import ArchSpec
from nas_sr.measure.device_facts import Facts
from nas_sr.measure.measurement import Measurement
from nas_sr.predict.roofline import Roofline


class Target(Config):
    """What a calibration must know of a hardware profile."""

    name: str = "board"
    bases: tuple[str, ...] = ()
    backends: tuple[str, ...] = ("tensorrt", "trtexec")
    precision: Precision = "fp16"
    lr_height: int = 32
    lr_width: int = 64
    facts: Facts | None = Facts(fp16_tflops=10, bandwidth_gb_s=100)
    device: str = "cuda"
    threads: int = 1

    def identity(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def measurement(
    spec: ArchSpec, *, drift: float = 1.0, stable: bool = True, backend: str = "tensorrt", **changes: Any
) -> Measurement:
    """Of a made-up device that does what its roofline says, slowed down by `drift` at the moment."""
    terms = Roofline(32, 64, "fp16", Facts(fp16_tflops=10, bandwidth_gb_s=100)).terms(spec, 8)
    latency_ms = 5 * sum(terms[:-1]) + 0.01 * terms.launches
    return Measurement(
        target="board",
        backend=backend,
        network=spec.digest,
        lr_height=32,
        lr_width=64,
        samples_ms=(drift * latency_ms,) * 3,
        reference_ms=(drift * 2.0,) * 2,
        stable=stable,
        labels=() if stable else ("somebody else was busy",),
        protocol={},
        machine={"cpu": "made up", "cores": 4},
        versions={"tensorrt": "10.0"},
        measured_at="2026-01-01T00:00:00+00:00",
        **changes,
    )
