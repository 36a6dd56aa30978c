"""Whether a measurement can be believed: pure functions from its samples and conditions to reasons against it."""

from __future__ import annotations

from statistics import median
from typing import Any

from nas_sr.latency.profile import HardwareProfile, Protocol
from nas_sr.latency.record import Measurement


def conditions(snapshots: list[dict[str, Any]]) -> dict[str, Any]:
    """What the machine did in the window, from the target's snapshots; None is what could not be read there.

    `foreign_cpu` and `stolen_cpu` are in cores: CPU time that other processes, or the hypervisor for other machines,
    used per second of the window.
    """
    first, last = snapshots[0], snapshots[-1]
    seconds = last["at_s"] - first["at_s"]

    def grown(name: str) -> Any:
        return None if first[name] is None or last[name] is None else last[name] - first[name]

    def readings(name: str) -> list[float] | None:
        return None if first[name] is None else [each[name] for each in snapshots]

    busy_s, stolen_s = grown("busy_s"), grown("stolen_s")
    return {
        "window_s": seconds,
        # The kernel counts in hundredths of a second, so nothing can come out slightly below zero.
        "foreign_cpu": None if busy_s is None else max(0.0, (busy_s - grown("own_s")) / seconds),
        "stolen_cpu": None if stolen_s is None else stolen_s / seconds,
        "throttle_events": grown("throttle_events"),
        **{name: readings(name) for name in ("load_average", "frequency_mhz", "temperature_c")},
    }


def doubts(measurement: Measurement, protocol: Protocol, usual_reference_ms: float | None) -> list[str]:
    """Why a measurement is not stable; empty when it is.

    Args:
        measurement: its `stable` and `labels` are not read.
        protocol: the limits.
        usual_reference_ms: what the reference network usually takes on this target; None when that is not known.
    """
    found = _disturbances(measurement.conditions, protocol)
    spread = measurement.iqr_ms / measurement.latency_ms
    if spread > protocol.max_iqr:
        found.append(f"samples spread by {spread:.0%} of the median between the quartiles")
    if protocol.max_cov is not None and measurement.cov > protocol.max_cov:
        found.append(f"samples vary by {measurement.cov:.1%} (coefficient of variation)")
    for name, samples in (("latency", measurement.samples_ms), ("reference latency", measurement.reference_ms)):
        change = halves_change(samples)
        if abs(change) > protocol.max_halves:
            found.append(f"{name} changed by {change:+.0%} within the window")
    if usual_reference_ms is not None:
        drift = measurement.reference_latency_ms / usual_reference_ms - 1
        if abs(drift) > protocol.max_reference_drift:
            found.append(
                f"device {'slower' if drift > 0 else 'faster'} than usual: the reference network took"
                f" {measurement.reference_latency_ms:.3g} ms, usually {usual_reference_ms:.3g} ms"
            )
    return found


def spread_doubts(measurement: Measurement, protocol: Protocol) -> list[str]:
    """Why the runs of a finalist do not agree. That builds differ is the compiler's doing and no reason for doubt."""
    spread = measurement.run_spread
    if spread is None or spread <= protocol.max_run_spread:
        return []
    return [f"runs of the same engine differ by {spread:.1%}"]


def cautions(measurement: Measurement, profile: HardwareProfile) -> list[str]:
    """What a reader must know even of a stable figure."""
    found = []
    if measurement.conditions["foreign_cpu"] is None:
        found.append("CPU time of other processes cannot be read on this system")
    return found


def halves_change(samples_ms: tuple[float, ...]) -> float:
    """Median of the second half over that of the first, minus one; 0 for fewer than four samples."""
    half = len(samples_ms) // 2
    return median(samples_ms[-half:]) / median(samples_ms[:half]) - 1 if half > 1 else 0.0


def _disturbances(seen: dict[str, Any], protocol: Protocol) -> list[str]:
    found = []
    if seen["foreign_cpu"] is not None and seen["foreign_cpu"] > protocol.max_foreign_cpu:
        found.append(f"other processes used {seen['foreign_cpu']:.2f} cores")
    if seen["stolen_cpu"] is not None and seen["stolen_cpu"] > protocol.max_foreign_cpu:
        found.append(f"the hypervisor took {seen['stolen_cpu']:.2f} cores away")
    if seen["throttle_events"]:
        found.append(f"the CPU was throttled {seen['throttle_events']} times")
    return found
