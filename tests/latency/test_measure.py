from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.measure import reference_onnx
from tests.latency.conftest import heard_until, measured

BURN = "while True: pass"


def _targets() -> set[int]:
    """Processes of this test run that measure."""
    children = psutil.Process().children(recursive=True)
    return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}


def test_measurement_says_what_it_was_taken_with(quick, relu_onnx):
    found = measured(relu_onnx, quick(), "digest")
    assert (found.network, found.target, found.kind, found.stable, found.attempts) == (
        "digest",
        "test",
        "measured",
        True,
        1,
    )
    assert found.runs >= 8
    assert all(sample > 0 for sample in found.samples_ms + found.reference_ms)
    assert len(found.reference_after) == len(found.reference_ms) >= 2
    assert (found.reference_after[0], found.reference_after[-1]) == (0, found.runs)
    assert found.machine["threads"] == found.machine["session"]["intra_op_threads"] == 1
    assert found.machine["cores"] >= 1
    assert {"python", "onnxruntime", "nas-sr"} <= found.versions.keys()
    assert found.protocol["iterations"] == 8
    assert found.conditions["window_s"] > 0


def test_disturbed_measurement_is_taken_again_then_labelled(quick, relu_onnx):
    told = []
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(os.cpu_count() or 1)]
    try:
        found = measured(relu_onnx, quick(max_foreign_cpu=0.05, seconds=0.5, retries=1), progress=told.append)
    finally:
        for process in burning:
            process.kill()
            process.wait()
    assert not found.stable
    assert found.attempts == 2
    assert any("other processes used" in label for label in found.labels)
    assert any("measuring again (2 of 2 at most)" in text for text in told)


def test_slow_device_is_noticed_by_its_reference(quick, relu_onnx):
    found = measured(relu_onnx, quick(max_reference_drift=0.5), usual_reference_ms=1e-6)
    assert not found.stable
    assert "slower than usual" in " ".join(found.labels)


def test_file_that_is_no_onnx_is_the_candidates_fault(quick, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    with pytest.raises(MeasurementFailed) as caught:
        measured(tmp_path / "bad.onnx", quick(retries=3))
    assert caught.value.kind == "candidate"


def test_wrong_input_size_is_the_candidates_fault(quick, static_onnx):
    with pytest.raises(MeasurementFailed, match="the network does not run") as caught:
        measured(static_onnx, quick())
    assert caught.value.kind == "candidate"


def test_network_too_slow_for_the_limit_is_told_before_its_window(quick):
    profile = quick(iterations=10**7)
    with pytest.raises(MeasurementFailed, match="too slow to measure") as caught:
        measured(reference_onnx(profile.lr_height, profile.lr_width), profile)
    assert caught.value.kind == "candidate"


def test_endless_job_is_killed_and_nothing_is_left(quick, endless_onnx):
    before = _targets()
    with pytest.raises(MeasurementFailed, match="killed after 8 s") as caught:
        measured(endless_onnx, quick(limit_s=8))
    assert caught.value.kind == "candidate"
    assert _targets() <= before


def test_broken_device_is_not_blamed_on_the_candidate(quick, relu_onnx, tmp_path, monkeypatch):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "onnxruntime.py").write_text("raise ImportError('no such runtime')")
    reference_onnx(16, 24)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    with pytest.raises(MeasurementFailed, match="no such runtime") as caught:
        measured(relu_onnx, quick(retries=3))
    assert caught.value.kind == "device"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_program_ends_with_whoever_started_it(quick, ask, how):
    asker = ask(quick(seconds=600, limit_s=1000))
    heard_until(asker, "window")
    started = psutil.Process(asker.pid).children(recursive=True)
    assert len(started) == 2  # the program and one worker
    asker.send_signal(how)
    asker.wait(30)
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive


STRANGER = """
_measure = measure

def measure(*how):
    taken = _measure(*how)
    reading = {{"at_s": taken["snapshots"][0]["at_s"], "throttle": [], "other_processes": [{pid}]}}
    blank = dict.fromkeys(["energy_j", "power_w", "sm_clock_mhz", "overcurrent_events"])
    return {{**taken, "gpu": {{"facts": {{}}, "readings": [{{**reading, **blank}}]}}}}
"""


@pytest.mark.parametrize(("process", "doubted"), [("trainer", False), ("other", True)])
def test_trainer_that_steps_aside_for_a_measurement_does_not_spoil_it(
    quick, relu_onnx, changed_program, process, doubted
):
    """A CPU that says, as a GPU's driver does, which processes have something in its memory."""
    program = "with SharedDevice('cpu'): pass\nprint('ready', flush=True)\ntime.sleep(600)"
    start = "import time\nfrom nas_sr.latency.device_lock import SharedDevice\n"
    trainer = subprocess.Popen([sys.executable, "-c", start + program], stdout=subprocess.PIPE)
    try:
        assert trainer.stdout.readline()
        changed_program("backends/onnxruntime.py", STRANGER.format(pid=trainer.pid if process == "trainer" else 1))
        found = measured(relu_onnx, quick())
    finally:
        trainer.kill()
        trainer.wait()
    assert ("other processes computed on the GPU (1)" in found.labels) == doubted
    assert found.stable != doubted
