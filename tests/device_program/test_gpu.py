"""What a GPU says: a driver's library compiled for the test, a Jetson's files laid out as its kernel lays them out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.device_program.gpu import HARMLESS, Watch, gpu
from nas_sr.device_program.jetson import Jetson
from nas_sr.device_program.nvml import THROTTLE_REASONS, Nvml, others, throttle_words

# The functions of nvml.h with fixed answers: an RTX 2080 at its locked clock, warm, with a foreign process.
DRIVER = """
#include <string.h>
typedef unsigned int u; typedef unsigned long long ull; typedef void *device;
static int initialised, the_gpu;
int nvmlInit_v2(void) { initialised = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(u index, device *d) { *d = &the_gpu; return initialised && index == 0 ? 0 : 2; }
int nvmlDeviceGetHandleByPciBusId_v2(const char *id, device *d)
{ *d = &the_gpu; return strcmp(id, "0000:01:00.0") ? 6 : 0; }
int nvmlDeviceGetName(device d, char *s, u n) { strncpy(s, "NVIDIA GeForce RTX 2080", n); return d != &the_gpu; }
int nvmlSystemGetDriverVersion(char *s, u n) { strncpy(s, "535.183.01", n); return 0; }
int nvmlDeviceGetCudaComputeCapability(device d, int *a, int *b) { *a = 7; *b = 5; return d != &the_gpu; }
int nvmlDeviceGetClockInfo(device d, u kind, u *mhz) { *mhz = kind == 1 ? 1515 : 7000; return d != &the_gpu; }
int nvmlDeviceGetMaxClockInfo(device d, u kind, u *mhz) { *mhz = kind == 1 ? 2100 : 7000; return d != &the_gpu; }
int nvmlDeviceGetTemperature(device d, u sensor, u *c) { *c = 61; return sensor != 0; }
int nvmlDeviceGetPowerUsage(device d, u *mw) { *mw = 187400; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(device d, u *mw) { *mw = 215000; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device d, ull *mask) { *mask = 0x2 | 0x20 | 0x4000; return 0; }
int nvmlDeviceGetTotalEnergyConsumption(device d, ull *mj) { static ull at; *mj = at += 2500; return 0; }
int nvmlDeviceGetMemoryInfo(device d, ull *m) { m[0] = 8ull << 30; m[1] = 6ull << 30; m[2] = 2ull << 30; return 0; }
struct process { u pid; ull memory; u gi, ci; };
int nvmlDeviceGetComputeRunningProcesses_v3(device d, u *n, struct process *p)
{ if (*n < 2) return 7; *n = 2; p[0].pid = %d; p[1].pid = 1; return 0; }
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A management library with one GPU; one of the processes on it is this one."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc to compile a stand-in for the driver's library")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "nvml.c").write_text(DRIVER % os.getpid())
    library = str(folder / "libnvidia-ml.so.1")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, str(folder / "nvml.c")], check=True)
    return library


def test_driver_is_asked_for_everything(driver):
    source = Nvml("0000:01:00.0", driver)
    assert source.there
    assert source.facts() == {
        "source": "nvml",
        "name": "NVIDIA GeForce RTX 2080",
        "compute_capability": "7.5",
        "driver": "535.183.01",
        "power_mode": None,
        "max_sm_clock_mhz": 2100,
        "max_memory_clock_mhz": 7000,
        "clocks_locked": None,
        "memory_total_mb": 8192,
        "power_limit_w": 215.0,
    }
    assert source.reading() == {
        "sm_clock_mhz": 1515,
        "memory_clock_mhz": 7000,
        "temperature_c": 61,
        "power_w": 187.4,
        "rails_w": None,
        "throttle": ["application clocks setting", "software thermal slowdown", "0x4000"],
        "overcurrent_events": None,
        "memory_free_mb": 6144,
        "other_processes": [1],
    }
    assert source.reading(own_pids=(1,))["other_processes"] == []


def test_another_gpu_than_the_measured_one_is_not_read(driver):
    source = Nvml("0000:65:00.0", driver)
    assert not source.there
    assert set(source.facts().values()) == set(source.reading().values()) == {None}


def test_without_a_driver_all_is_none():
    source = Nvml(library="libno-such-driver.so.1")
    assert not source.there
    assert source.energy_j() is None
    assert set(source.facts().values()) == set(source.reading().values()) == {None}


def test_driver_that_knows_less_leaves_gaps(tmp_path, driver):
    """An old driver lacks functions; a library of that name may be something else altogether."""
    old = tmp_path / "old.so"
    (tmp_path / "old.c").write_text(
        "int nvmlInit_v2(void) { return 0; } int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { return 0; }"
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(old), str(tmp_path / "old.c")], check=True)
    source = Nvml(library=str(old))
    assert source.there
    assert set(source.reading().values()) == {None}
    other = tmp_path / "other.so"
    (tmp_path / "other.c").write_text("int nothing;")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(other), str(tmp_path / "other.c")], check=True)
    assert not Nvml(library=str(other)).there


@given(st.integers(0, 2**64 - 1))
def test_every_bit_of_the_reasons_is_said(mask):
    words = throttle_words(mask)
    bits = {word: bit for bit, word in THROTTLE_REASONS.items()}
    assert sum(bits[word] if word in bits else int(word, 16) for word in words) == mask


def test_harmless_reasons_are_reasons():
    assert set(THROTTLE_REASONS.values()) >= HARMLESS


def test_in_a_container_one_unknown_process_is_ours():
    unknown = 2**22 + 1  # above Linux's largest process number
    assert others([os.getpid(), 1], (os.getpid(),)) == [1]
    assert others([os.getpid(), unknown], (os.getpid(),)) == [unknown]
    assert others([unknown, unknown + 1], (os.getpid(),)) == [unknown + 1]
    assert others([unknown], (os.getpid(),)) == []
    assert others([], (os.getpid(),)) == []


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


XAVIER = {
    "etc/nv_tegra_release": "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64\n",
    "proc/device-tree/model": "Jetson-AGX\0",
    "proc/device-tree/compatible": "nvidia,p2972-0000\0nvidia,tegra194\0",
    "proc/meminfo": "MemTotal:       32692948 kB\nMemFree:        20000000 kB\nMemAvailable:   28311552 kB\n",
    "sys/class/devfreq/17000000.gv11b/cur_freq": "905250000\n",
    "sys/class/devfreq/17000000.gv11b/min_freq": "905250000\n",
    "sys/class/devfreq/17000000.gv11b/max_freq": "905250000\n",
    "sys/class/devfreq/15340000.vic/cur_freq": "115200000\n",
    "sys/kernel/debug/bpmp/debug/clk/emc/rate": "1600000000\n",
    "sys/kernel/debug/bpmp/debug/clk/emc/max_rate": "2133000000\n",
    "sys/kernel/nvpmodel_emc_cap/emc_iso_cap": "1600000000\n",
    "sys/class/thermal/thermal_zone0/type": "CPU-therm\n",
    "sys/class/thermal/thermal_zone0/temp": "44500\n",
    "sys/class/thermal/thermal_zone1/type": "GPU-therm\n",
    "sys/class/thermal/thermal_zone1/temp": "46250\n",
    "sys/class/thermal/thermal_zone5/type": "PMIC-Die\n",
    "sys/class/thermal/thermal_zone5/temp": "100000\n",
    "sys/class/thermal/cooling_device0/type": "pwm-fan\n",
    "sys/class/thermal/cooling_device0/cur_state": "4\n",
    "sys/class/thermal/cooling_device1/type": "gpu-throttle-alert\n",
    "sys/class/thermal/cooling_device1/cur_state": "0\n",
}
RAILS = {
    ("hwmon3", 1): ("GPU", 19000, 640),
    ("hwmon3", 2): ("CPU", 19000, 80),
    ("hwmon3", 3): ("SOC", 19000, 120),
    ("hwmon4", 1): ("CV", 19000, 0),
    ("hwmon4", 2): ("VDDRQ", 19000, 56),
    ("hwmon4", 3): ("SYS5V", 19000, 160),
}


def _rails(rails: dict) -> dict[str, str]:
    files = {}
    for (folder, channel), (label, millivolts, milliamperes) in rails.items():
        files[f"sys/class/hwmon/{folder}/name"] = "ina3221\n"
        files[f"sys/class/hwmon/{folder}/in{channel}_label"] = f"{label}\n"
        files[f"sys/class/hwmon/{folder}/in{channel}_input"] = f"{millivolts}\n"
        files[f"sys/class/hwmon/{folder}/curr{channel}_input"] = f"{milliamperes}\n"
        files[f"sys/class/hwmon/{folder}/in7_label"] = "sum of shunt voltages\n"
        files[f"sys/class/hwmon/{folder}/in7_input"] = "4\n"
    return files


def _nvpmodel(root: Path, says: str) -> None:
    path = root / "usr/sbin/nvpmodel"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\ntest \"$*\" = -q && printf '{says}'\n")
    path.chmod(0o755)


def test_xavier_with_its_clocks_locked(tmp_path):
    root = _write(tmp_path, {**XAVIER, **_rails(RAILS)})
    _nvpmodel(root, "NV Fan Mode:quiet\\nNV Power Mode: MODE_30W_ALL\\n3\\n")
    source = gpu(root=root)
    assert isinstance(source, Jetson)
    assert source.facts() == {
        "source": "jetson",
        "name": "Jetson-AGX",
        "compute_capability": "7.2",
        "driver": "L4T 35.4.1",
        "power_mode": "MODE_30W_ALL",
        "max_sm_clock_mhz": 905.25,
        "max_memory_clock_mhz": 1600,
        "clocks_locked": True,
        "memory_total_mb": pytest.approx(31926.7),
        "power_limit_w": None,
    }
    reading = source.reading()
    rails = reading.pop("rails_w")
    assert rails == {"CPU": 1.52, "CV": 0.0, "GPU": 12.16, "SOC": 2.28, "SYS5V": 3.04, "VDDRQ": 1.064}
    assert reading == {
        "sm_clock_mhz": 905.25,
        "memory_clock_mhz": 1600,
        "temperature_c": 46.25,
        "power_w": pytest.approx(sum(rails.values())),
        "throttle": [],
        "overcurrent_events": None,
        "memory_free_mb": 27648,
        "other_processes": None,
    }


def test_orin_nano_that_throttles(tmp_path):
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
        "sys/class/devfreq/17000000.gpu/cur_freq": "305945000\n",
        "sys/class/devfreq/17000000.gpu/min_freq": "305945000\n",
        "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
        "sys/class/thermal/cooling_device3/type": "gpu-throttle-alert\n",
        "sys/class/thermal/cooling_device3/cur_state": "1\n",
        "sys/class/hwmon/hwmon2/name": "soctherm_oc\n",
        "sys/class/hwmon/hwmon2/oc1_event_cnt": "0\n",
        "sys/class/hwmon/hwmon2/oc3_event_cnt": "27\n",
        **_rails(
            {
                ("hwmon1", 1): ("VDD_IN", 5000, 2900),
                ("hwmon1", 2): ("VDD_CPU_GPU_CV", 5000, 900),
                ("hwmon1", 3): ("VDD_SOC", 5000, 500),
            }
        ),
    }
    source = gpu(root=_write(tmp_path, files))
    facts, reading = source.facts(), source.reading()
    assert (facts["compute_capability"], facts["clocks_locked"], facts["power_mode"]) == ("8.7", False, None)
    assert reading["throttle"] == ["gpu-throttle-alert"]
    assert reading["overcurrent_events"] == 27
    # The whole supply is measured there: its parts are not added to it.
    assert reading["power_w"] == 14.5


def test_rails_of_jetpack_4(tmp_path):
    folder = "sys/bus/i2c/drivers/ina3221x/1-0040/iio:device0"
    files = {
        **{f"{folder}/rail_name_{index}": f"{name}\n" for index, name in enumerate(["GPU", "CPU", "SOC"])},
        **{f"{folder}/in_power{index}_input": f"{milliwatts}\n" for index, milliwatts in enumerate([9120, 608, 1824])},
    }
    reading = Jetson(_write(tmp_path, {**XAVIER, **files})).reading()
    assert reading["rails_w"] == {"GPU": 9.12, "CPU": 0.608, "SOC": 1.824}
    assert reading["power_w"] == 11.552


def test_what_only_root_may_read_is_none(tmp_path):
    hidden = {name: text for name, text in XAVIER.items() if "debug" not in name and "emc_cap" not in name}
    source = Jetson(_write(tmp_path, {**hidden, "sys/class/thermal/thermal_zone1/temp": ""}))
    assert source.facts()["max_memory_clock_mhz"] is None
    assert source.reading()["memory_clock_mhz"] is None
    assert source.reading()["temperature_c"] is None


def test_empty_jetson_reads_none_and_raises_nothing(tmp_path):
    source = Jetson(_write(tmp_path, {"etc/nv_tegra_release": "something new"}))
    assert source.there
    assert {value for name, value in source.facts().items() if name != "source"} == {None}
    assert set(source.reading().values()) == {None}


def test_every_source_says_the_same_things(tmp_path):
    jetson, nvml = Jetson(tmp_path), Nvml(library="none")
    assert jetson.facts().keys() == nvml.facts().keys()
    assert jetson.reading().keys() == nvml.reading().keys()


def test_machine_without_a_gpu_is_no_jetson(tmp_path):
    assert isinstance(gpu(root=tmp_path), Nvml)


def test_watch_keeps_readings_apart_and_counts_the_energy(driver, monkeypatch):
    clock = iter([10.0, 10.2, 10.4, 10.6])
    monkeypatch.setattr("nas_sr.device_program.gpu.time.perf_counter", lambda: next(clock))
    watch = Watch(Nvml(library=driver))
    watch.own(1)
    for _ in range(4):
        watch.look()
    report = watch.report()
    assert [reading["at_s"] for reading in report["readings"]] == [10.0, 10.6]
    assert [reading["other_processes"] for reading in report["readings"]] == [[], []]
    assert report["facts"]["name"] == "NVIDIA GeForce RTX 2080"
    first, last = report["readings"]
    assert last["energy_j"] - first["energy_j"] == 2.5


def test_watch_of_no_gpu_reports_none():
    watch = Watch(Nvml(library="none"))
    watch.look()
    (reading,) = watch.report()["readings"]
    assert {value for name, value in reading.items() if name != "at_s"} == {None}
