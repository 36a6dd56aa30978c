"""What a Jetson says of itself, read from the files its kernel and NVIDIA's Linux for Tegra (L4T) keep.

Where each path is known from (R35 is JetPack 5, R32 JetPack 4):
- proc/device-tree/{model,compatible}: the device tree, as the Linux kernel shows it.
- etc/nv_tegra_release, usr/sbin/nvpmodel -q: L4T's developer guide.
- sys/class/devfreq/17000000.gv11b (Xavier; .ga10b or .gpu on Orin): the kernel's devfreq class, named as in the guide.
- sys/class/hwmon/*/{name,in1_label,in1_input,curr1_input}: the kernel's ina3221 driver (R35); sys/bus/i2c/drivers/
  ina3221x/*/iio:device*/{rail_name_0,in_power0_input}: the guide for R32.
- sys/class/thermal: the kernel's thermal sysfs; zone names from the guide.
- sys/kernel/debug/bpmp/debug/clk/emc: the guide; only root may read it. sys/kernel/nvpmodel_emc_cap: jetson_stats.
- sys/class/hwmon/*/oc1_event_cnt: the kernel's soctherm driver of Orin; not seen confirmed on Xavier.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

# By the chip in the device tree.
_COMPUTE_CAPABILITY = {
    "nvidia,tegra210": "5.3",
    "nvidia,tegra186": "6.2",
    "nvidia,tegra194": "7.2",
    "nvidia,tegra234": "8.7",
}
_GPU_CLOCKS = ("gp10b", "gv11b", "ga10b", "gpu")
# The module's whole supply, where a module measures that: other rails are part of it.
_WHOLE_SUPPLY = ("VDD_IN", "POM_5V_IN")


class Jetson:
    """The integrated GPU. What cannot be read is None; nothing raises.

    Args:
        root: where the file system of the device begins.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._sys = root / "sys"
        self._tree = root / "proc/device-tree"
        self._clock = next(
            (path for path in self._all("class/devfreq/*") if path.name.rsplit(".", 1)[-1] in _GPU_CLOCKS), None
        )

    @property
    def there(self) -> bool:
        """Whether this is a Jetson at all."""
        return (self._root / "etc/nv_tegra_release").is_file() or self._chip() is not None

    def facts(self) -> dict[str, Any]:
        """What does not change during a measurement."""
        lowest, highest = self._mhz("min_freq"), self._mhz("max_freq")
        chip = self._chip()
        return {
            "source": "jetson",
            "name": _text(self._tree / "model"),
            "compute_capability": _COMPUTE_CAPABILITY.get(chip or ""),
            "driver": self._l4t(),
            "power_mode": self._power_mode(),
            "max_sm_clock_mhz": highest,
            "max_memory_clock_mhz": self._emc_mhz("max_rate"),
            "clocks_locked": None if lowest is None or highest is None else lowest == highest,
            "memory_total_mb": self._meminfo_mb("MemTotal"),
            "power_limit_w": None,  # the power mode says it
        }

    def reading(self, own_pids: tuple[int, ...] = ()) -> dict[str, Any]:
        """What does change. `throttle` names the cooling devices that slow something down now."""
        rails = self._rails_w()
        return {
            "sm_clock_mhz": self._mhz("cur_freq"),
            "memory_clock_mhz": self._emc_mhz("rate"),
            "temperature_c": self._temperature_c(),
            "power_w": _total_w(rails),
            "rails_w": rails,
            "throttle": self._throttle(),
            "overcurrent_events": self._overcurrent_events(),
            "memory_free_mb": self._meminfo_mb("MemAvailable"),
            "other_processes": None,  # the driver of the integrated GPU tells only root
        }

    def energy_j(self) -> float | None:
        """None: there is no counter; the rails' power over the readings' time is all there is."""
        return None

    def _all(self, pattern: str) -> list[Path]:
        return sorted(self._sys.glob(pattern))

    def _chip(self) -> str | None:
        compatible = (_text(self._tree / "compatible") or "").split("\0")
        return next((name for name in compatible if re.fullmatch(r"nvidia,tegra\d+", name)), None)

    def _l4t(self) -> str | None:
        match = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", _text(self._root / "etc/nv_tegra_release") or "")
        return "L4T {}.{}".format(*match.groups()) if match else None

    def _power_mode(self) -> str | None:
        try:
            output = subprocess.run(
                [str(self._root / "usr/sbin/nvpmodel"), "-q"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                universal_newlines=True,
                timeout=10,
                check=False,
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        match = re.search(r"^NV Power Mode: *(\S+)", output, re.MULTILINE)
        return match.group(1) if match else None

    def _mhz(self, name: str) -> float | None:
        return _scaled(self._clock / name, 1e-6) if self._clock else None

    def _emc_mhz(self, name: str) -> float | None:
        """The memory's clock; its maximum is what the power mode allows, where that is less."""
        rate = _scaled(self._sys / "kernel/debug/bpmp/debug/clk/emc" / name, 1e-6)
        cap = _scaled(self._sys / "kernel/nvpmodel_emc_cap/emc_iso_cap", 1e-6) if name == "max_rate" else None
        return min((mhz for mhz in (rate, cap) if mhz), default=None)

    def _temperature_c(self) -> float | None:
        zones = (path.parent for path in self._all("class/thermal/thermal_zone*/type") if _is_gpu(_text(path)))
        return next((_scaled(zone / "temp", 1e-3) for zone in zones), None)

    def _throttle(self) -> list[str] | None:
        """Fans are cooling devices too, and slow nothing down."""
        states = {}
        for path in self._all("class/thermal/cooling_device*/type"):
            kind = _text(path)
            if kind and "fan" not in kind:
                states[kind] = _scaled(path.parent / "cur_state", 1)
        return sorted(kind for kind, state in states.items() if state) if states else None

    def _overcurrent_events(self) -> int | None:
        counts = [_scaled(path, 1) for path in self._all("class/hwmon/hwmon*/oc*_event_cnt")]
        known = [int(count) for count in counts if count is not None]
        return sum(known) if known else None

    def _rails_w(self) -> dict[str, float] | None:
        rails = {}
        for folder in (path.parent for path in self._all("class/hwmon/hwmon*/name") if _text(path) == "ina3221"):
            for channel in (1, 2, 3):  # further ones are sums of these
                volts = _scaled(folder / "in{}_input".format(channel), 1e-3)
                amperes = _scaled(folder / "curr{}_input".format(channel), 1e-3)
                label = _text(folder / "in{}_label".format(channel))
                if label and label != "NC" and volts is not None and amperes is not None:
                    rails[label] = round(volts * amperes, 3)
        for path in self._all("bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*"):
            watts = _scaled(path.with_name("in_power{}_input".format(path.name.rsplit("_", 1)[-1])), 1e-3)
            label = _text(path)
            if label and watts is not None:
                rails[label] = watts
        return rails or None

    def _meminfo_mb(self, name: str) -> float | None:
        match = re.search(r"^{}: +(\d+) kB".format(name), _text(self._root / "proc/meminfo") or "", re.MULTILINE)
        return round(int(match.group(1)) / 1024, 1) if match else None


def _is_gpu(zone: str | None) -> bool:
    return (zone or "").lower().startswith("gpu")


def _total_w(rails: dict[str, float] | None) -> float | None:
    if rails is None:
        return None
    whole = next((rails[name] for name in _WHOLE_SUPPLY if name in rails), None)
    return round(sum(rails.values()), 3) if whole is None else whole


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:  # a sensor that is switched off refuses to be read
        return None


def _scaled(path: Path, factor: float) -> float | None:
    try:
        return round(int(_text(path) or "") * factor, 6)
    except ValueError:
        return None
