"""Whether a measurement can be believed: from its samples and conditions to reasons against it."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, median
from typing import Any

from nas_sr.device_program.gpu import HARMLESS, IDLE
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.profile import HardwareProfile, Protocol

LOCK_HELD = 0.98  # of the clock that was asked for


def conditions(
    snapshots: list[dict[str, Any]], gpu: dict[str, Any] | None = None, visitors: frozenset[int] = frozenset()
) -> dict[str, Any]:
    """What the machine did in the window, from the target's snapshots; None is what could not be read there.

    `gpu` is what the target's watch over its GPU reports: facts and readings; None where a CPU is measured. Kept are
    the readings of the window: before it the GPU waits for an engine to be loaded, and its clock says nothing.
    `visitors` are processes on this machine that step aside for measurements: none of the GPU's other processes.
    `foreign_cpu` and `stolen_cpu` are in cores: CPU time that other processes, or the hypervisor for other machines,
    used per second of the window.
    """
    first, last = snapshots[0], snapshots[-1]
    seconds = last["at_s"] - first["at_s"]

    def grown(name: str) -> Any:
        return None if first[name] is None or last[name] is None else last[name] - first[name]

    def readings(name: str) -> list[float] | None:
        return None if first[name] is None else [each[name] for each in snapshots]

    if gpu is not None:
        in_window = _at_work(gpu["readings"], first["at_s"], last["at_s"])
        gpu = {**gpu, "readings": [_without(visitors, reading) for reading in in_window]}
    busy_s, stolen_s = grown("busy_s"), grown("stolen_s")
    return {
        "window_s": seconds,
        # The kernel counts in hundredths of a second, so nothing can come out slightly below zero.
        "foreign_cpu": None if busy_s is None else max(0.0, (busy_s - grown("own_s")) / seconds),
        "stolen_cpu": None if stolen_s is None else stolen_s / seconds,
        "throttle_events": grown("throttle_events"),
        **{name: readings(name) for name in ("load_average", "frequency_mhz", "temperature_c")},
        "gpu": gpu,
        "gpu_power_w": _power_w(gpu),
    }


def _at_work(readings: list[dict[str, Any]], begin_s: float, end_s: float) -> list[dict[str, Any]]:
    return [each for each in readings if begin_s <= each["at_s"] <= end_s and IDLE not in (each["throttle"] or ())]


def _without(visitors: frozenset[int], reading: dict[str, Any]) -> dict[str, Any]:
    """A reading whose other processes are strangers.

    A container is told the host's process numbers: where no visitor is listed, as many that this machine does not know
    are taken for them.
    """
    listed = reading["other_processes"]
    if not listed or not visitors:
        return reading
    rest = [pid for pid in listed if pid not in visitors]
    if len(rest) == len(listed):
        unknown = [pid for pid in rest if not Path(f"/proc/{pid}").exists()][: len(visitors)]
        rest = [pid for pid in rest if pid not in unknown]
    return {**reading, "other_processes": rest}


def _power_w(gpu: dict[str, Any] | None) -> float | None:
    """Mean power over the readings: from the energy counter where there is one."""
    readings = [] if gpu is None else gpu["readings"]
    counted = [reading for reading in readings if reading["energy_j"] is not None]
    if len(counted) > 1:
        first, last = counted[0], counted[-1]
        return float((last["energy_j"] - first["energy_j"]) / (last["at_s"] - first["at_s"]))
    watts = [reading["power_w"] for reading in readings if reading["power_w"] is not None]
    return fmean(watts) if watts else None


def instability_reasons(
    measurement: Measurement, profile: HardwareProfile, usual_reference_ms: float | None
) -> list[str]:
    """Why a measurement is not stable; empty when it is.

    Args:
        measurement: its `stable` and `labels` are not read.
        profile: the target, its clocks and its limits.
        usual_reference_ms: what the reference network usually takes on this target; None when that is not known.
    """
    protocol = profile.protocol
    reasons = disturbances(measurement, profile)
    if measurement.extra.get("output") == "not finite":
        reasons.append(f"the network's output is not finite in {profile.precision}")
    if measurement.spread > protocol.max_iqr:
        reasons.append(f"samples spread by {measurement.spread:.0%} of the median between the quartiles")
    if protocol.max_cov is not None and measurement.cov > protocol.max_cov:
        reasons.append(f"samples vary by {measurement.cov:.1%} (coefficient of variation)")
    # As the spread, of the ratios: a device that drifts takes the reference network with it.
    change = halves_change(measurement.ratios)
    if abs(change) > protocol.max_halves:
        reasons.append(f"latency changed by {change:+.0%} within the window, beside what the reference network changed")
    if usual_reference_ms is not None:
        drift = measurement.reference_latency_ms / usual_reference_ms - 1
        if abs(drift) > protocol.max_reference_drift:
            reasons.append(
                f"device {'slower' if drift > 0 else 'faster'} than usual: the reference network took"
                f" {measurement.reference_latency_ms:.3g} ms, usually {usual_reference_ms:.3g} ms"
            )
    return reasons


def disturbances(measurement: Measurement, profile: HardwareProfile) -> list[str]:
    """What the device did beside measuring, or what slowed it down: reasons for doubt, whatever the samples look like.

    Its `stable` and `labels` are not read.
    """
    seen = measurement.conditions
    return [*_cpu_disturbances(seen, profile.protocol), *_gpu_disturbances(seen, profile)]


def _gpu_readings(seen: dict[str, Any], name: str) -> list[Any]:
    readings = (seen.get("gpu") or {}).get("readings", ())
    return [reading[name] for reading in readings if reading.get(name) is not None]


def _gpu_disturbances(seen: dict[str, Any], profile: HardwareProfile) -> list[str]:
    found = []
    reasons = dict.fromkeys(reason for reading in _gpu_readings(seen, "throttle") for reason in reading)
    slowed = [reason for reason in reasons if reason not in HARMLESS]
    if slowed:
        found.append(f"the GPU was throttled: {', '.join(slowed)}")
    events = _gpu_readings(seen, "overcurrent_events")
    if events and events[-1] > events[0]:
        found.append(f"the board's overcurrent protection slowed it down {events[-1] - events[0]} times")
    foreign = {pid for reading in _gpu_readings(seen, "other_processes") for pid in reading}
    if foreign:
        found.append(f"other processes computed on the GPU ({', '.join(map(str, sorted(foreign)))})")
    clocks, locked_mhz = _gpu_readings(seen, "sm_clock_mhz"), profile.clocks and profile.clocks.gpu_mhz
    if clocks and locked_mhz and not _floating(seen, locked_mhz) and min(clocks) < LOCK_HELD * locked_mhz:
        found.append(f"the GPU's clock fell to {min(clocks):g} MHz from its lock at {locked_mhz} MHz")
    return found


def _floating(seen: dict[str, Any], locked_mhz: int) -> bool:
    """Whether the GPU's clock was not locked where the profile wants it, as far as that can be read."""
    clocks = _gpu_readings(seen, "sm_clock_mhz")
    never_there = bool(clocks) and not any(LOCK_HELD <= mhz / locked_mhz <= 2 - LOCK_HELD for mhz in clocks)
    return never_there or (seen.get("gpu") or {}).get("facts", {}).get("clocks_locked") is False


def spread_reasons(measurement: Measurement, protocol: Protocol) -> list[str]:
    """Why the runs of a finalist do not agree. That builds differ is the compiler's doing and no reason for doubt."""
    spread = measurement.run_spread
    if spread is None or spread <= protocol.max_run_spread:
        return []
    return [f"runs of the same engine differ by {spread:.1%}"]


def notes(measurement: Measurement, profile: HardwareProfile) -> list[str]:
    """What a reader must know even of a stable figure."""
    reasons = []
    if measurement.conditions["foreign_cpu"] is None:
        reasons.append("CPU time of other processes cannot be read on this system")
    clocks = profile.clocks
    if clocks and clocks.gpu_mhz and measurement.conditions.get("gpu"):
        if not _gpu_readings(measurement.conditions, "sm_clock_mhz"):
            reasons.append("the GPU's clock cannot be read")
        elif _floating(measurement.conditions, clocks.gpu_mhz):
            reasons.append(f"floating clocks: lock them with `{clocks.lock}`")
    return reasons


def halves_change(samples_ms: tuple[float, ...]) -> float:
    """Median of the second half over that of the first, minus one; 0 for fewer than four samples."""
    half = len(samples_ms) // 2
    return median(samples_ms[-half:]) / median(samples_ms[:half]) - 1 if half > 1 else 0.0


def _cpu_disturbances(seen: dict[str, Any], protocol: Protocol) -> list[str]:
    reasons = []
    if seen["foreign_cpu"] is not None and seen["foreign_cpu"] > protocol.max_foreign_cpu:
        reasons.append(f"other processes used {seen['foreign_cpu']:.2f} cores")
    if seen["stolen_cpu"] is not None and seen["stolen_cpu"] > protocol.max_foreign_cpu:
        reasons.append(f"the hypervisor took {seen['stolen_cpu']:.2f} cores away")
    if seen["throttle_events"]:
        reasons.append(f"the CPU was throttled {seen['throttle_events']} times")
    return reasons
