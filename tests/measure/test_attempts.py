from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil
import pytest

from nas_sr.measure.attempts import Network, measure, reference_onnx
from nas_sr.measure.device_lock import measuring
from nas_sr.measure.measurement_error import MeasurementFailed
from tests.measure.conftest import heard_until, measured

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
    with pytest.raises(MeasurementFailed, match="takes images of 12x8 pixels, but 24x16 is measured") as caught:
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


FASTER_EACH_TIME = """
_measure = measure

def measure(engines, reference, settings, plan):
    taken = _measure(engines, reference, settings, plan)
    import os
    count = sum(1 for name in os.listdir({notes!r}))
    open(os.path.join({notes!r}, str(count)), "w").close()
    for network in taken["networks"]:
        # 40 ms, 30 ms, 20 ms ...; the second attempt alone is even.
        ms = 40.0 - 10 * count
        network["samples_ms"] = [ms * (1 if count == 1 or index % 2 else 3) for index in range(10)]
        network["reference_ms"], network["reference_after"] = [10.0, 10.0], [0, 10]
    return taken
"""


@pytest.mark.parametrize(("retries", "kept_ms", "stable"), [(1, 30, True), (3, 30, True), (0, 80, False)])
def test_attempt_with_the_fewest_doubts_is_kept_not_the_fastest(
    quick, relu_onnx, changed_program, tmp_path, retries, kept_ms, stable
):
    (tmp_path / "notes").mkdir()
    changed_program("backends/onnxruntime.py", FASTER_EACH_TIME.format(notes=str(tmp_path / "notes")))
    found = measured(relu_onnx, quick(retries=retries, max_iqr=0.1))
    assert (found.raw_latency_ms, found.stable) == (kept_ms, stable)
    assert found.attempts == min(retries, 1) + 1


def test_fastest_of_doubtful_attempts_is_not_preferred(quick, relu_onnx, changed_program, tmp_path):
    (tmp_path / "notes").mkdir()
    uneven = FASTER_EACH_TIME.replace("(1 if count == 1 or index % 2 else 3)", "(1 if index % 2 else 2 + count)")
    changed_program("backends/onnxruntime.py", uneven.format(notes=str(tmp_path / "notes")))
    found = measured(relu_onnx, quick(retries=2, max_iqr=0.1))
    # All three spread: the first one, the slowest, least.
    assert (found.raw_latency_ms, found.stable, found.attempts) == (60, False, 3)


def test_pause_before_a_retry_leaves_the_device_to_others(quick, relu_onnx):
    paused = []

    def sleep(seconds: float) -> None:
        with measuring("cpu", when_waiting=lambda: pytest.fail("the device is held during a pause")):
            paused.append(seconds)

    found = measured(relu_onnx, quick(retries=2, max_iqr=1e-12, retry_pause_s=3.0), sleep=sleep)
    assert (paused, found.attempts) == ([3, 6], 3)


def test_networks_timed_in_turn_share_their_processes(quick, relu_onnx, static_onnx):
    profile = quick(final_builds=2, final_runs=2)
    reference = reference_onnx(profile.lr_height, profile.lr_width)
    first, second = measure([Network("a", relu_onnx), Network("b", reference)], profile, final=True)
    assert (first.network, second.network) == ("a", "b")
    assert first.window == second.window != ""
    for found in (first, second):
        assert [(repeat.build, repeat.run) for repeat in found.repeats] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    # The second is the reference itself; the first does next to nothing.
    assert first.relative_latency < 0.5 < second.relative_latency < 2
    # One that cannot run there costs the others their window, and is said.
    with pytest.raises(MeasurementFailed) as caught:
        measure([Network("a", relu_onnx), Network("c", static_onnx)], profile)
    assert caught.value.kind == "candidate"


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
    start = "import time\nfrom nas_sr.measure.device_lock import SharedDevice\n"
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
