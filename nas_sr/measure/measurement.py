"""What a measurement leaves behind: raw samples, protocol, machine and versions; statistics are computed on read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from statistics import fmean, median, pstdev
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from nas_sr.image_format import Dtype, Layout


class Repeat(BaseModel):
    """One of several runs, each in a fresh process, of one of several fresh builds of the same network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _ratio_of_version_1(cls, value: Any) -> Any:
        """Version 0.1 did not keep it."""
        if isinstance(value, dict) and "relative_latency" not in value and value.get("reference_latency_ms"):
            return {**value, "relative_latency": value["latency_ms"] / value["reference_latency_ms"]}
        return value

    build: int
    run: int
    latency_ms: float  # as it was taken
    reference_latency_ms: float
    relative_latency: float


class Measurement(BaseModel):
    """One network timed on one target. Samples are milliseconds, in the order they were taken.

    The speed of a device drifts, so `latency_ms` is the ratio to the reference network that ran in between, times what
    that one takes on this target (`target_reference_ms`); `raw_latency_ms` is what the clock said.
    """

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
    target_reference_ms: float | None = None  # the reference network's latency that the ratio is multiplied with
    epoch: str = ""  # of the study's latencies on the target; they compare within one
    window: str = ""  # the same for networks that were run in turn with each other
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
        """The figure that compares with others of its target: corrected for the device's drift, where what the
        reference network takes there is known."""
        if self.target_reference_ms is None or not self.reference_ms:
            return self.raw_latency_ms
        return self.relative_latency * self.target_reference_ms

    @property
    def raw_latency_ms(self) -> float:
        """Median of the samples as they were taken, or of the runs' medians where there are several."""
        return median([repeat.latency_ms for repeat in self.repeats] or self.samples_ms)

    @property
    def relative_latency(self) -> float:
        """Ratio to the reference network, which itself is 1: median of the samples' ratios, or of the runs' medians."""
        return median([repeat.relative_latency for repeat in self.repeats] or self.ratios)

    @property
    def precision(self) -> str | None:
        """Of weights and arithmetic; None where the record does not say."""
        return self.protocol.get("precision")

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """Each sample divided by the mean of the reference runs just before it and just after it."""
        blocks: dict[int, list[float]] = {}  # reference runs by the number of samples before them
        for reference_ms, after in zip(self.reference_ms, self.reference_after, strict=False):
            blocks.setdefault(after, []).append(reference_ms)
        if not blocks:
            return tuple(sample_ms / self.reference_latency_ms for sample_ms in self.samples_ms)
        places, means = list(blocks), [fmean(block) for block in blocks.values()]
        # Of the block before and the one after; one of the two where there is only that.
        around = [means[0], *((before + after) / 2 for before, after in pairwise(means)), means[-1]]
        ratios: list[float] = []
        for mean_ms, (begin, end) in zip(around, pairwise([0, *places, len(self.samples_ms)]), strict=True):
            ratios += [sample_ms / mean_ms for sample_ms in self.samples_ms[begin:end]]
        return tuple(ratios)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy works out anew what follows from the samples: pydantic's own would take it along, changed or not."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("ratios", "_ordered_ms"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def corrected_ms(self) -> tuple[float, ...]:
        """The samples as `latency_ms` takes them."""
        if self.target_reference_ms is None or not self.reference_ms:
            return self.samples_ms
        return tuple(ratio * self.target_reference_ms for ratio in self.ratios)

    @property
    def run_spread(self) -> float | None:
        """Largest distance between runs of one build, as a share of the latency; None without several runs."""
        spans = [_span(runs) for runs in self._by_build() if len(runs) > 1]
        return max(spans) / self.relative_latency if spans else None

    @property
    def build_spread(self) -> float | None:
        """Largest distance between the medians of builds, as a share of the latency; None without several builds."""
        medians = [median(runs) for runs in self._by_build()]
        return _span(medians) / self.relative_latency if len(medians) > 1 else None

    def _by_build(self) -> list[list[float]]:
        builds: dict[int, list[float]] = {}
        for repeat in self.repeats:
            builds.setdefault(repeat.build, []).append(repeat.relative_latency)
        return list(builds.values())

    @property
    def reference_latency_ms(self) -> float:
        """Median of the reference network's runs in between: compare it between measurements to see drift."""
        return median(self.reference_ms)

    @property
    def low_ms(self) -> float:
        """Nineteen of twenty samples take longer."""
        return self.percentile(5)

    @property
    def high_ms(self) -> float:
        """Nineteen of twenty samples take no longer."""
        return self.percentile(95)

    @property
    def runtime_memory_mb(self) -> float | None:
        """What the runtime itself reports for activations; None where it reports nothing (see docs/measuring.md)."""
        return self.extra.get("runtime_memory_mb")

    @property
    def energy_mj(self) -> float | None:
        """Energy for one frame [mJ]: mean power while it ran in turn with the reference, times the latency.

        None without a sensor.
        """
        watts = self.conditions.get("gpu_power_w")
        return None if watts is None else watts * self.raw_latency_ms

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
        """Coefficient of variation of the samples as they were taken: standard deviation over mean."""
        return pstdev(self.samples_ms) / fmean(self.samples_ms)

    @property
    def spread(self) -> float:
        """Distance between the quartiles of the ratios, as a share of their median."""
        ordered = sorted(self.ratios)
        return (_percentile(ordered, 75) - _percentile(ordered, 25)) / median(ordered)

    def percentile(self, percent: float) -> float:
        """The corrected sample [ms] below which `percent` of them lie."""
        return _percentile(self._ordered_ms, percent)

    @cached_property
    def _ordered_ms(self) -> list[float]:
        """The corrected samples, fastest first: every percentile needs them."""
        return sorted(self.corrected_ms)

    def relative_to(self, target_reference_ms: float | None, epoch: str = "") -> Measurement:
        """The same measurement as a latency of a target on which the reference network takes that long."""
        return self.model_copy(update={"target_reference_ms": target_reference_ms, "epoch": epoch})

    def summary(self) -> dict[str, Any]:
        """The statistics a reader needs, without the raw samples."""
        return {
            "latency_ms": self.latency_ms,
            "raw_latency_ms": self.raw_latency_ms,
            "p5_ms": self.percentile(5),
            "p90_ms": self.percentile(90),
            "p95_ms": self.percentile(95),
            "p99_ms": self.percentile(99),
            "iqr_ms": self.iqr_ms,
            "cov": self.cov,
            "runs": self.runs,
            "reference_latency_ms": self.reference_latency_ms,
            "relative_latency": self.relative_latency,
            "target_reference_ms": self.target_reference_ms,
            "energy_mj": self.energy_mj,
            "runtime_memory_mb": self.runtime_memory_mb,
            "run_spread": self.run_spread,
            "build_spread": self.build_spread,
            "backend": self.backend,
            "precision": self.precision,
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


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """Interpolated linearly."""
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
