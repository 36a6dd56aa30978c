"""Locks, first contact and cache follow from the device that a profile's backends occupy."""

from __future__ import annotations

import sys
import threading

import pytest

from nas_sr import shipped
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.conditions import machine
from nas_sr.measure.attempts import WAITING
from nas_sr.measure.device_lock import SharedDevice, measuring, visitors
from nas_sr.measure.inspection import versions_here
from nas_sr.measure.latency_cache import device_there
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile
from nas_sr.search.latency_epochs import LatencyEpochs
from nas_sr.search.targets import Target, first_contact
from tests.measure.conftest import measured
from tests.waiting import until


@pytest.mark.parametrize("name", shipped.names("hw_profiles"))
def test_shipped_profile_occupies_the_device_of_its_backends(name: str) -> None:
    found = profile(name)
    assert {RUNTIMES[backend].device for backend in found.backends} == {found.device}
    assert found.on_this_cpu == (found.device == "cpu") == name.startswith("cpu")


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "ncnn"])
def test_two_runtimes_of_one_processor_wait_for_each_other(name, quick, relu_onnx) -> None:
    pytest.importorskip(RUNTIMES[name].package)
    heard, taken = [], []
    target = quick(name=f"quick-{name}", backends=(name,))
    work = threading.Thread(target=lambda: taken.append(measured(relu_onnx, target, progress=heard.append)))
    with measuring(profile("cpu").device):  # as a measurement by another runtime has it
        work.start()
        until(lambda: WAITING in heard)
        assert not taken
    work.join(60)
    assert taken[0].backend == name


@pytest.mark.parametrize("name", ["cpu", "cpu-openvino", "cpu-ncnn"])
def test_training_on_the_processor_steps_aside_for_each_of_its_runtimes(name: str) -> None:
    waits, had = threading.Event(), threading.Event()

    def measure() -> None:
        with measuring(profile(name).device, when_waiting=waits.set):
            had.set()

    with SharedDevice("cpu") as training:
        work = threading.Thread(target=measure)
        work.start()
        until(waits.is_set)
        assert not had.is_set()
        until(lambda: training.step_boundary() or had.is_set())
        work.join(10)


def test_training_on_the_first_gpu_is_on_the_device_of_a_gpus_profile() -> None:
    with SharedDevice("cpu", "cuda"):  # as torch calls it
        assert visitors(profile("rtx2080").device)


def test_device_of_a_processor_is_known_by_its_own_runtime_without_waiting_for_it(tmp_path) -> None:
    with measuring("cpu"):  # nothing of this may wait for the device
        for name in ("cpu", "cpu-openvino", "cpu-ncnn"):
            target = profile(name)
            (backend,) = target.backends
            pytest.importorskip(RUNTIMES[backend].package)
            found = device_there(target)
            assert found["machine"]["cpu"] == machine()["cpu"]
            assert backend in found["versions"]
            assert not {"python", "numpy"} & found["versions"].keys()
            assert first_contact(Target(target, None, LatencyEpochs(tmp_path, target))) is None


def test_runtime_that_is_not_installed_is_told_before_a_search_begins(tmp_path, monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "nas_sr.device_program.backends.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    target = profile("cpu-openvino")
    for ask in (versions_here, lambda target: first_contact(Target(target, None, LatencyEpochs(tmp_path, target)))):
        with pytest.raises(MeasurementFailed, match=r"openvino cannot be used here.* pip install 'nas-sr\[openvino\]'"):
            ask(target)
