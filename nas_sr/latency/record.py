"""What a measurement leaves behind: raw samples, protocol, machine and versions; statistics are computed on read."""

from __future__ import annotations

from bisect import bisect_right
from statistics import fmean, median, pstdev
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from nas_sr.image_format import Dtype, Layout


class Repeat(BaseModel):
    """One of several runs, each in a fresh process, of one of several fresh builds of the same network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    build: int
    run: int
    latency_ms: float
    reference_latency_ms: float


class Measurement(BaseModel):
    """One network timed on one target. Samples are milliseconds, in the order they were taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["measured"] = "measured"
    target: str  # name of the hardware profile
    backend: str  # of its job: onnxruntime, tensorrt, ...
    network: str  # digest of the spec, or of the ONNX file where there is no spec
    lr_height: int
    lr_width: int
    layout: Layout = "nchw"  # of the image that it took, and its type
    dtype: Dtype = "fp32"
    samples_ms: tuple[float, ...]
    reference_ms: tuple[float, ...]  # the fixed reference network, interleaved with the samples
    reference_after: tuple[int, ...] = ()  # number of samples taken before each of them
    stable: bool
    labels: tuple[str, ...] = ()  # why it is not stable, or what a reader must know
    attempts: int = 1
    repeats: tuple[Repeat, ...] = ()  # of a finalist; the samples are then those of the middle run
    conditions: dict[str, Any] = {}  # what else the machine did in the window: foreign CPU time, clocks, throttling
    engine: dict[str, Any] = {}  # how the engine was built: seconds, layers, timing cache
    extra: dict[str, Any] = {}  # what only some backends tell: times by layer, times with a CUDA graph
    protocol: dict[str, Any]
    machine: dict[str, Any]
    versions: dict[str, str]
    measured_at: str  # ISO 8601, UTC

    @property
    def latency_ms(self) -> float:
        """The figure: median of the samples, or of the runs' medians where there are several."""
        return median([repeat.latency_ms for repeat in self.repeats] or self.samples_ms)

    @property
    def run_spread(self) -> float | None:
        """Largest distance between runs of one build, as a share of the latency; None without several runs."""
        spans = [_span(runs) for runs in self._by_build() if len(runs) > 1]
        return max(spans) / self.latency_ms if spans else None

    @property
    def build_spread(self) -> float | None:
        """Largest distance between the medians of builds, as a share of the latency; None without several builds."""
        medians = [median(runs) for runs in self._by_build()]
        return _span(medians) / self.latency_ms if len(medians) > 1 else None

    def _by_build(self) -> list[list[float]]:
        builds: dict[int, list[float]] = {}
        for repeat in self.repeats:
            builds.setdefault(repeat.build, []).append(repeat.latency_ms)
        return list(builds.values())

    @property
    def reference_latency_ms(self) -> float:
        """Median of the interleaved reference network: compare it between measurements to see drift."""
        return median(self.reference_ms)

    @property
    def relative_latency(self) -> float:
        """Median of the samples, each divided by the mean of the reference runs just before and after it.

        On a machine whose speed wanders this is steadier than the milliseconds; the reference network itself is 1.
        """
        if not self.reference_after:
            return self.latency_ms / self.reference_latency_ms
        ratios = []
        for index, sample_ms in enumerate(self.samples_ms):
            following = bisect_right(self.reference_after, index)
            ratios.append(sample_ms / fmean(self.reference_ms[max(0, following - 1) : following + 1]))
        return median(ratios)

    @property
    def low_ms(self) -> float:
        """Nineteen of twenty samples take longer."""
        return self.percentile(5)

    @property
    def high_ms(self) -> float:
        """Nineteen of twenty samples take no longer."""
        return self.percentile(95)

    @property
    def energy_mj(self) -> float | None:
        """Energy for one frame [mJ]: mean power while it ran in turn with the reference, times the latency.

        None without a sensor.
        """
        watts = self.conditions.get("gpu_power_w")
        return None if watts is None else watts * self.latency_ms

    @property
    def runs(self) -> int:
        """Number of samples."""
        return len(self.samples_ms)

    @property
    def iqr_ms(self) -> float:
        """Distance between the quartiles."""
        return self.percentile(75) - self.percentile(25)

    @property
    def cov(self) -> float:
        """Coefficient of variation: standard deviation over mean."""
        return pstdev(self.samples_ms) / fmean(self.samples_ms)

    def percentile(self, percent: float) -> float:
        """The sample below which `percent` of them lie, interpolated linearly."""
        ordered = sorted(self.samples_ms)
        position = (len(ordered) - 1) * percent / 100
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (position - low)

    def summary(self) -> dict[str, Any]:
        """The statistics a reader needs, without the raw samples."""
        return {
            "latency_ms": self.latency_ms,
            "p5_ms": self.percentile(5),
            "p90_ms": self.percentile(90),
            "p95_ms": self.percentile(95),
            "p99_ms": self.percentile(99),
            "iqr_ms": self.iqr_ms,
            "cov": self.cov,
            "runs": self.runs,
            "reference_latency_ms": self.reference_latency_ms,
            "relative_latency": self.relative_latency,
            "energy_mj": self.energy_mj,
            "run_spread": self.run_spread,
            "build_spread": self.build_spread,
            "backend": self.backend,
            "kind": self.kind,
            "target": self.target,
            "lr_height": self.lr_height,
            "lr_width": self.lr_width,
            "layout": self.layout,
            "dtype": self.dtype,
            "stable": self.stable,
            "labels": list(self.labels),
        }


def _span(values: list[float]) -> float:
    return max(values) - min(values)
