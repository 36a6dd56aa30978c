"""What a GPU says of itself while it works, and what of it cannot be true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from nas_sr.device_program.gpu import HARMLESS, IDLE, Watch
from nas_sr.device_program.nvml import THROTTLE_REASONS


class Sampled(NamedTuple):
    """Readings twice a second over a time of work."""

    facts: dict[str, Any]
    readings: list[dict[str, Any]]

    def all_of(self, name: str) -> list[Any]:
        """What was read under a name."""
        return [each[name] for each in self.readings if each[name] is not None]

    @property
    def counted_w(self) -> float | None:
        """Mean power by the energy counter."""
        counted = [each for each in self.readings if each["energy_j"] is not None]
        if len(counted) < 2:
            return None
        return (counted[-1]["energy_j"] - counted[0]["energy_j"]) / (counted[-1]["at_s"] - counted[0]["at_s"])

    @property
    def clocks(self) -> str:
        """Whether the clock stood still under load; NVML does not tell whether that is a lock."""
        mhz = self.all_of("sm_clock_mhz")
        if not mhz:
            return "cannot be read"
        return f"constant at {mhz[0]:g} MHz" if len(set(mhz)) == 1 else f"floating, {min(mhz):g} to {max(mhz):g} MHz"

    @property
    def throttled(self) -> list[str]:
        """Reasons for a lower clock that were given while it worked."""
        return sorted({reason for reasons in self.all_of("throttle") for reason in reasons} - HARMLESS)


def sampled(source: Any, seconds: float, work: Callable[[], None]) -> Sampled:
    """Readings while `work` is done over and over; it must wait for the GPU, or the GPU is read idle."""
    watch = Watch(source)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        work()
        watch.look()
    report = watch.report()
    return Sampled(report["facts"], report["readings"])


def implausible(taken: Sampled) -> list[str]:
    """What cannot be true of a working GPU: a wrong unit, a wrong structure, another GPU's figure."""
    facts, found = taken.facts, []

    def check(name: str, low: float, high: float | None) -> None:
        wrong = [value for value in taken.all_of(name) if not low <= value <= (high or float("inf"))]
        if wrong:
            found.append(f"{name} is {wrong[0]:g}, but {low:g} to {high or float('inf'):g} can be")

    def most(name: str, factor: float) -> float | None:
        return None if facts[name] is None else factor * facts[name]

    check("sm_clock_mhz", 50, most("max_sm_clock_mhz", 1.1) or 5000)
    check("memory_clock_mhz", 50, most("max_memory_clock_mhz", 1.1) or 30000)
    check("temperature_c", 5, 115)
    check("power_w", 1, most("power_limit_w", 1.5) or 2000)
    check("memory_free_mb", 0, most("memory_total_mb", 1.0))
    if facts["memory_total_mb"] is not None and not 500 < facts["memory_total_mb"] < 1e6:
        found.append(f"memory_total_mb is {facts['memory_total_mb']:g}")
    energy = taken.all_of("energy_j")
    if energy != sorted(energy):
        found.append(f"the energy counter fell: {energy}")
    counted, watts = taken.counted_w, taken.all_of("power_w")
    if counted is not None and watts and not min(watts) / 3 <= counted <= 3 * max(watts):
        found.append(f"by the energy counter it took {counted:.4g} W, and power was {min(watts):g} to {max(watts):g} W")
    unknown = {reason for reasons in taken.all_of("throttle") for reason in reasons} - set(THROTTLE_REASONS.values())
    if unknown:
        found.append(f"unknown reasons for a lower clock: {', '.join(sorted(unknown))}")
    if taken.readings and all(IDLE in (each["throttle"] or ()) for each in taken.readings):
        found.append("every reading calls the GPU idle, so that a measurement would have no reading at all")
    return found
