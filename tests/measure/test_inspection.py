"""What is said of a device that an inspection found; what it finds is in test_runner and tests/device_program."""

from __future__ import annotations

import pytest

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.measure.inspection import backend_there, differences
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile

XAVIER, RTX = profile("xavier"), profile("rtx2080")
AWAY = {name: {"lacks": f"{name} cannot be used here"} for name in RUNTIMES}


def _found(gpu=None, **backends):
    """A probe's answer, with those backends there."""
    versions = {name.replace("_", "-"): {"versions": found} for name, found in backends.items()}
    return {"backends": {**AWAY, **versions}, "gpu": gpu, "clock_skew_s": 0.0, "free_disk_gb": 20.0}


def _gpu(*throttle, mhz=1515.0, **facts):
    known = {"name": "NVIDIA GeForce RTX 2080", "compute_capability": "7.5", "power_mode": None}
    return {"facts": {**known, **facts}, "reading": {"sm_clock_mhz": mhz, "throttle": list(throttle)}}


@pytest.mark.parametrize(
    ("target", "backends", "used"),
    [
        (XAVIER, {"tensorrt": {"tensorrt": "8.5.2.2"}, "trtexec": {"trtexec": "8.5.2"}}, "tensorrt"),
        (XAVIER, {"trtexec": {"trtexec": "8.2.1"}}, "trtexec"),
        (RTX, {"tensorrt": {"tensorrt": "10.16.1.11"}}, "tensorrt"),
        # Another product, with versions of its own.
        (RTX, {"tensorrt_rtx": {"tensorrt-rtx": "1.7.1.116"}}, "tensorrt-rtx"),
        # The first that can be used measures, and a wrong version cannot be.
        (RTX, {"tensorrt": {"tensorrt": "9.3.0"}, "trtexec": {"trtexec": "8.6.1"}}, "trtexec"),
    ],
)
def test_first_backend_of_a_version_that_applies_is_used(target, backends, used):
    assert backend_there(target, _found(**backends)) == used


@pytest.mark.parametrize("version", ["8.4.1", "10.3.0", "85.1", "8.20.1"])
def test_tensorrt_of_a_version_that_the_profile_does_not_name_is_refused(version):
    with pytest.raises(MeasurementFailed) as caught:
        backend_there(XAVIER, _found(trtexec={"trtexec": version}))
    assert caught.value.kind == "device"
    for part in ("xavier (this machine)", f"TensorRT {version} is there", "8.5, 8.2", "`tensorrt:`"):
        assert part in caught.value.text


def test_profile_that_names_no_version_takes_any():
    anything = XAVIER.model_copy(update={"tensorrt": ()})
    assert backend_there(anything, _found(tensorrt={"tensorrt": "9.3.0"})) == "tensorrt"


def test_version_that_was_passed_over_is_a_difference_and_what_is_not_installed_is_none():
    passed_over = _found(_gpu(), tensorrt={"tensorrt": "9.3.0"}, trtexec={"trtexec": "8.6.1"})
    (text,) = differences(RTX, passed_over)
    assert text.startswith("tensorrt: TensorRT 9.3.0 is there, and the profile is for 8.5, 8.6, 10, 11")
    assert differences(RTX, _found(_gpu(), trtexec={"trtexec": "8.6.1"})) == []


def test_idle_gpu_is_not_called_throttled():
    idle = _found(_gpu("gpu idle", "application clocks setting"), tensorrt={"tensorrt": "10.3.0"})
    assert differences(RTX, idle) == []
    hot = _found(_gpu("gpu idle", "hardware thermal slowdown"), tensorrt={"tensorrt": "10.3.0"})
    assert differences(RTX, hot) == ["it is throttled: hardware thermal slowdown"]


def test_device_that_is_not_in_its_state_is_told_with_the_remedy():
    facts = {"name": "Jetson-AGX", "compute_capability": "7.2", "power_mode": "MAXN"}
    texts = differences(XAVIER, _found(_gpu(mhz=1377.0, **facts), tensorrt={"tensorrt": "8.5.2"}))
    assert texts == [
        "its power mode is MAXN, not MODE_30W_ALL: sudo nvpmodel -m 3 && sudo jetson_clocks",
        "its GPU clock is 1377 MHz, not 900 MHz (idle clocks fall): sudo nvpmodel -m 3 && sudo jetson_clocks",
    ]


def test_another_device_is_refused():
    another = _found(_gpu(name="Orin", compute_capability="8.7"), tensorrt={"tensorrt": "8.5.2"})
    with pytest.raises(MeasurementFailed, match=r"its GPU is Orin of compute capability 8.7, not 7.2; .* `ssh:`"):
        backend_there(XAVIER, another)
