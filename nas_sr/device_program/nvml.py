"""What NVIDIA's driver says of a desktop GPU, through its management library (NVML, libnvidia-ml.so.1)."""

from __future__ import annotations

import ctypes
import os
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
_SM, _MEMORY = 1, 2  # nvmlClockType_t

# nvmlClocksEventReasons (nvmlClocksThrottleReasons before driver 535), bit by bit.
THROTTLE_REASONS = {
    0x1: "gpu idle",
    0x2: "application clocks setting",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clock setting",
}


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class _Process(ctypes.Structure):
    _fields_ = [
        ("pid", ctypes.c_uint),
        ("used_memory", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint),
        ("compute_instance", ctypes.c_uint),
    ]


class Nvml:
    """One GPU. What cannot be read is None; nothing raises.

    Args:
        pci_bus_id: which GPU, as CUDA names it (CUDA and NVML number them in different orders); None is the first.
        library: the management library's file.
    """

    def __init__(self, pci_bus_id: str | None = None, library: str = LIBRARY) -> None:
        self._nvml: Any = None
        self._device = ctypes.c_void_p()
        try:
            nvml = ctypes.CDLL(library)
            if nvml.nvmlInit_v2() != 0:
                return
            if pci_bus_id is None:
                status = nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(0), ctypes.byref(self._device))
            else:
                status = nvml.nvmlDeviceGetHandleByPciBusId_v2(pci_bus_id.encode(), ctypes.byref(self._device))
            if status == 0:
                self._nvml = nvml
        except (OSError, AttributeError):  # no driver, or a library that is something else
            return

    @property
    def there(self) -> bool:
        """Whether there is such a GPU and its driver answers."""
        return self._nvml is not None

    def facts(self) -> dict[str, Any]:
        """What does not change during a measurement. NVML does not tell whether clocks are locked; readings show it."""
        memory = self._memory()
        return {
            "source": "nvml" if self.there else None,
            "name": self._text("nvmlDeviceGetName", self._device),
            "compute_capability": self._compute_capability(),
            "driver": self._text("nvmlSystemGetDriverVersion"),
            "power_mode": None,
            "max_sm_clock_mhz": self._number("nvmlDeviceGetMaxClockInfo", ctypes.c_uint, _SM),
            "max_memory_clock_mhz": self._number("nvmlDeviceGetMaxClockInfo", ctypes.c_uint, _MEMORY),
            "clocks_locked": None,
            "memory_total_mb": memory and round(memory.total / 2**20, 1),
            "power_limit_w": _milli(self._number("nvmlDeviceGetEnforcedPowerLimit", ctypes.c_uint)),
        }

    def reading(self, own_pids: tuple[int, ...] = ()) -> dict[str, Any]:
        """What does change. `other_processes` are those that compute on the GPU, without this one and `own_pids`."""
        memory = self._memory()
        mask = self._number("nvmlDeviceGetCurrentClocksThrottleReasons", ctypes.c_ulonglong)
        return {
            "sm_clock_mhz": self._number("nvmlDeviceGetClockInfo", ctypes.c_uint, _SM),
            "memory_clock_mhz": self._number("nvmlDeviceGetClockInfo", ctypes.c_uint, _MEMORY),
            "temperature_c": self._number("nvmlDeviceGetTemperature", ctypes.c_uint, 0),
            "power_w": _milli(self._number("nvmlDeviceGetPowerUsage", ctypes.c_uint)),
            "rails_w": None,
            "throttle": None if mask is None else throttle_words(mask),
            "overcurrent_events": None,
            "memory_free_mb": memory and round(memory.free / 2**20, 1),
            "other_processes": self._other_processes((os.getpid(), *own_pids)),
        }

    def energy_j(self) -> float | None:
        """All the energy the GPU took since its driver was loaded; None before Volta."""
        return _milli(self._number("nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong))

    def _call(self, name: str, *arguments: Any) -> bool:
        try:
            return self._nvml is not None and getattr(self._nvml, name)(*arguments) == 0
        except AttributeError:  # a driver too old for this question
            return False

    def _number(self, name: str, kind: Any, *choice: int) -> int | None:
        value = kind()
        asked = [ctypes.c_uint(number) for number in choice]
        return int(value.value) if self._call(name, self._device, *asked, ctypes.byref(value)) else None

    def _text(self, name: str, *first: Any) -> str | None:
        buffer = ctypes.create_string_buffer(96)
        return buffer.value.decode(errors="replace") if self._call(name, *first, buffer, ctypes.c_uint(96)) else None

    def _compute_capability(self) -> str | None:
        major, minor = ctypes.c_int(), ctypes.c_int()
        known = self._call("nvmlDeviceGetCudaComputeCapability", self._device, ctypes.byref(major), ctypes.byref(minor))
        return "{}.{}".format(major.value, minor.value) if known else None

    def _memory(self) -> _Memory | None:
        memory = _Memory()
        return memory if self._call("nvmlDeviceGetMemoryInfo", self._device, ctypes.byref(memory)) else None

    def _other_processes(self, own: tuple[int, ...]) -> list[int] | None:
        processes = (_Process * 64)()
        count = ctypes.c_uint(64)
        for name in ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2"):
            if self._call(name, self._device, ctypes.byref(count), processes):
                return others([process.pid for process in processes[: count.value]], own)
        return None


def others(computing: list[int], own: tuple[int, ...]) -> list[int]:
    """The processes that are not ours.

    In a container NVML tells the host's process numbers: where none of ours is listed, one that this container does
    not know is taken for ours.
    """
    rest = [pid for pid in computing if pid not in own]
    if len(rest) == len(computing):
        unknown = next((pid for pid in rest if not os.path.exists("/proc/{}".format(pid))), None)
        rest = [pid for pid in rest if pid != unknown]
    return rest


def throttle_words(mask: int) -> list[str]:
    """What the driver's bit mask of reasons says; bits without a known meaning as hexadecimal numbers."""
    words = [word for bit, word in THROTTLE_REASONS.items() if mask & bit]
    unknown = mask & ~sum(THROTTLE_REASONS)
    return words + (["0x{:x}".format(unknown)] if unknown else [])


def _milli(value: int | None) -> float | None:
    return None if value is None else value / 1e3
