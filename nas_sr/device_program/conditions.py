"""What the machine is and what it is doing, as far as Linux lets anybody read it; what cannot be read is None."""

from __future__ import annotations

import glob
import os
import platform
import time
from typing import Any

from .cores import cpuinfo, physical_cores, read_text, usable_cpus

_THROTTLE_COUNTERS = "/sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"
_CGROUP_CPU = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")


def machine() -> dict[str, Any]:
    """CPU model, cores, memory and system: what a latency on this machine depends on."""
    info = cpuinfo()
    return {
        "cpu": info[0].get("model name") if info else None,
        "cores": physical_cores(),
        "logical_cpus": os.cpu_count(),
        "usable_cpus": usable_cpus(),
        "memory_gb": _memory_gb(),
        "system": "{} {}".format(platform.system(), platform.release()),
        "architecture": platform.machine(),
    }


def snapshot() -> dict[str, Any]:
    """Counters and readings of this moment; two of them give the CPU time that others used in between.

    Seconds of CPU time: `busy_s` of all processes, `own_s` of this one, `stolen_s` taken by the hypervisor.
    """
    busy_s, stolen_s = _cpu_times()
    own = os.times()
    return {
        "at_s": time.perf_counter(),
        "busy_s": busy_s,
        "stolen_s": stolen_s,
        "own_s": own.user + own.system,
        "load_average": _load_average(),
        "frequency_mhz": _frequency_mhz(),
        "temperature_c": _temperature_c(),
        "throttle_events": _throttle_events(),
    }


def _memory_gb() -> float | None:
    for line in read_text("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 1e6, 1)
    return None


def _cpu_times() -> tuple[float | None, float | None]:
    fields = read_text("/proc/stat").split("\n", 1)[0].split()[1:9]
    if len(fields) < 8:
        return None, None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / ticks, steal / ticks


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _numbers(pattern: str) -> list[float]:
    texts = (read_text(path).strip() for path in glob.glob(pattern))
    return [float(text) for text in texts if text.lstrip("-").isdigit()]


def _frequency_mhz() -> float | None:
    """Of the slowest CPU."""
    scaling = _numbers("/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq")
    if scaling:
        return min(scaling) / 1e3
    listed = [float(cpu["cpu MHz"]) for cpu in cpuinfo() if "cpu MHz" in cpu]
    return min(listed) if listed else None


def _temperature_c() -> float | None:
    """Of the hottest zone."""
    zones = _numbers("/sys/class/thermal/thermal_zone*/temp")
    return max(zones) / 1e3 if zones else None


def _throttle_events() -> int | None:
    """Times the processor or the control group's CPU quota slowed this machine down, since it started."""
    counts = [int(count) for count in _numbers(_THROTTLE_COUNTERS)]
    for path in _CGROUP_CPU:
        counts += [int(line.split()[1]) for line in read_text(path).splitlines() if line.startswith("nr_throttled")]
    return sum(counts) if counts else None
