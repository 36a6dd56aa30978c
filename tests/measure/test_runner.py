"""Measuring on another device, and what may befall it, with a real ssh server and real processes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from nas_sr.measure import runner
from nas_sr.measure.attempts import job, reference_onnx
from nas_sr.measure.inspection import inspect_target
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_static import write_static
from tests.measure.conftest import heard_until, measured
from tests.sshd import Server
from tests.waiting import until

LONG = {"seconds": 600, "limit_s": 1000}
# A build that takes notes and, the first time, does not end.
NOTED_BUILD = """
_build = build

def build(onnx, engine, settings):
    with open({notes!r}, "a") as notes:
        notes.write(onnx.fp32.name + "\\n")
    return _build(onnx, engine, settings)
"""
ENDLESS_BUILD = """
_build = build

def build(onnx, engine, settings):
    if onnx.fp32.name == "candidate-0.onnx" and not os.path.exists({notes!r}):
        open({notes!r}, "w").close()
        time.sleep(1000)
    return _build(onnx, engine, settings)

import os
"""


def _at(stage: str, act):
    """For `progress`: does something the first time a stage is told. Also all that was told."""
    told: list[str] = []

    def hear(text: str) -> None:
        told.append(text)
        if told.count(stage) == 1 and text == stage:
            act()

    return hear, told


def _workers(device) -> list[psutil.Process]:
    return [process for process in device.started() if "--step" in process.info["cmdline"]]


def _agents(device) -> list[psutil.Process]:
    return [process for process in device.started() if "--step" not in process.info["cmdline"]]


def _failure(profile, onnx_path, **options) -> MeasurementFailed:
    with pytest.raises(MeasurementFailed) as caught:
        measured(onnx_path, profile, **options)
    assert caught.value.text.startswith(f"{profile.name} ({profile.where}): ")
    assert "\n" not in caught.value.text
    return caught.value


def test_python_38_measures_over_ssh(drone, python38, relu_onnx, tmp_path):
    path = tmp_path / 'a user\'s "best" network.onnx'
    path.write_bytes(relu_onnx.read_bytes())
    told: list[str] = []
    found = measured(path, drone(python38, final_builds=2, final_runs=2), final=True, progress=told.append)
    assert found.versions["python"].startswith("3.8.")
    assert found.versions["onnxruntime"] == "1.19.2"
    assert (found.target, found.backend, found.stable, found.attempts) == ("drone", "onnxruntime", True, 1)
    assert [(repeat.build, repeat.run) for repeat in found.repeats] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(sample > 0 for sample in found.samples_ms + found.reference_ms)
    assert told[0] == "measuring"
    assert told.count("window") == 4


def test_python_38_is_inspected(drone, python38):
    found = inspect_target(drone(python38))
    assert found["python"].startswith("3.8.")
    assert found["backends"]["onnxruntime"]["versions"]["onnxruntime"] == "1.19.2"
    assert "lacks" in found["backends"]["trtexec"] or "versions" in found["backends"]["trtexec"]
    assert found["machine"]["cores"] >= 1
    assert found["free_disk_gb"] >= 0
    assert abs(found["clock_skew_s"]) <= 1


def test_talkative_login_shell_is_not_taken_for_the_program(drone, relu_onnx, wrapper):
    talk = "for n in 1 2 3; do printf 'Welcome! nas-sr-target {\\n\\377\\n nas-sr-target '; sleep 0.1; done"
    found = measured(relu_onnx, drone(wrapper(f'{talk} & printf "no end of line: "; "{sys.executable}" "$@"; wait')))
    assert found.runs >= 8


@pytest.mark.parametrize("stage", ["building the network", "window"])
def test_cut_connection_is_tried_again_and_a_finished_build_is_used(
    drone, device, relu_onnx, changed_program, tmp_path, stage
):
    notes = tmp_path / "notes"
    changed_program("backends/onnxruntime.py", NOTED_BUILD.format(notes=str(notes)))
    workers = []

    def cut() -> None:
        workers.extend(_workers(device))
        device.cut()

    hear, told = _at(stage, cut)
    found = measured(relu_onnx, drone(retries=1, seconds=0.5), progress=hear)
    assert (found.attempts, found.stable) == (2, True)
    assert workers
    assert not [worker for worker in workers if worker.is_running()]
    assert any("the connection was cut (stage: " in text and "closed by remote host" in text for text in told)
    assert notes.read_text().split().count("reference.onnx") == 1
    if stage == "window":
        assert notes.read_text().split().count("candidate-0.onnx") == 1


def test_build_that_was_cut_off_is_built_anew(drone, device, relu_onnx, changed_program, tmp_path):
    changed_program("backends/onnxruntime.py", ENDLESS_BUILD.format(notes=str(tmp_path / "notes")))
    hear, _ = _at("building the network", lambda: (until((tmp_path / "notes").exists), device.cut()))
    assert measured(relu_onnx, drone(retries=1), progress=hear).attempts == 2


def test_device_that_is_switched_off_and_on_again(drone, device, relu_onnx):
    hear, told = _at("window", device.stop)

    def hear_and_switch_on(text: str) -> None:
        hear(text)
        if "nothing listens there" in text:
            device.start()

    found = measured(relu_onnx, drone(retries=2, seconds=0.5), progress=hear_and_switch_on)
    assert found.attempts == 3
    assert any("nothing listens there" in text for text in told)


def test_device_that_stays_off_is_waited_for_longer_each_time(drone, device, relu_onnx):
    pauses: list[float] = []
    hear, _ = _at("window", device.stop)
    failure = _failure(drone(retries=3, retry_pause_s=3, **LONG), relu_onnx, progress=hear, sleep=pauses.append)
    assert failure.kind == "device"
    assert "nothing listens there" in failure.text
    assert pauses == [3, 6, 12]
    assert len(device.lying()) == 1  # for whoever asks again; nobody could say that this is given up
    shutil.rmtree(device.device)


@pytest.mark.parametrize(("killed", "text"), [(_agents, "the connection was cut"), (_workers, "killed by the system")])
def test_killed_program_is_tried_again(drone, device, relu_onnx, killed, text):
    hear, told = _at("window", lambda: [process.kill() for process in killed(device)])
    assert measured(relu_onnx, drone(retries=1, seconds=0.5), progress=hear).attempts == 2
    assert any(text in each and "(stage: window)" in each for each in told)


def test_device_is_held_for_as_long_as_a_worker_runs(drone, device, relu_onnx):
    stuck: list[psutil.Process] = []

    def lose_the_agent() -> None:
        stuck.extend(_workers(device))
        stuck[0].suspend()  # it does not even notice that nobody waits for it
        for agent in _agents(device):
            agent.kill()

    hear, told = _at("window", lose_the_agent)

    def hear_and_kill(text: str) -> None:
        hear(text)
        if text == "waiting for the device":
            stuck[0].kill()

    assert measured(relu_onnx, drone(retries=1, seconds=0.5), progress=hear_and_kill).attempts == 2
    assert "waiting for the device" in told


def test_what_a_backend_started_ends_with_it(drone, device, relu_onnx, changed_program):
    changed_program(
        "backends/onnxruntime.py",
        """
        import subprocess, sys
        def build(onnx, engine, settings):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(1000)", str(engine)])
        """,
    )

    def kill() -> None:
        until(lambda: len(device.started()) == 3)
        (agent,) = (each for each in _agents(device) if each.info["cmdline"][-2].endswith("/program"))
        agent.kill()

    hear, _ = _at("building the reference network", kill)
    assert _failure(drone(), relu_onnx, progress=hear).kind == "transient"
    until(lambda: not device.started())
    shutil.rmtree(device.device / "jobs")


def test_program_that_is_killed_every_time_gives_no_figure(drone, device, relu_onnx):
    failure = _failure(
        drone(retries=1, **LONG),
        relu_onnx,
        progress=lambda text: text == "window" and [process.kill() for process in _workers(device)],
    )
    assert failure.kind == "transient"
    assert "killed by the system, which happens when memory runs out" in failure.text


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_program_ends_with_whoever_asked(drone, device, ask, relu_onnx, how):
    asker = ask(drone(**LONG))
    heard_until(asker, "window")
    assert len(_workers(device)) == len(_agents(device)) == 1
    asker.send_signal(how)
    asker.wait(30)
    until(lambda: not device.started())
    if how != signal.SIGINT:  # it could not say that nobody will ask for this job again: a later one removes it
        (left,) = device.lying()
        os.utime(left, (0, 0))
        measured(relu_onnx, drone())
    assert device.lying() == []


def test_result_that_is_cut_off_is_asked_for_again(drone, relu_onnx, wrapper, tmp_path):
    once = shlex.quote(str(tmp_path / "once"))
    script = f"""[ -e {once} ] && exec {sys.executable} "$@"
        touch {once}
        {sys.executable} "$@" | python3 -c '
import sys
for line in sys.stdin:
    sys.stdout.write(line if "samples_ms" not in line else line[: len(line) // 2])
    sys.stdout.flush()
'"""
    told: list[str] = []
    assert measured(relu_onnx, drone(wrapper(script), retries=1), progress=told.append).attempts == 2
    assert any("ended with status 0 and no result (stage: window)" in text for text in told)


def test_endless_build_is_ended_and_is_the_candidates_fault(drone, relu_onnx, changed_program, tmp_path):
    changed_program("backends/onnxruntime.py", ENDLESS_BUILD.format(notes=str(tmp_path / "notes")))
    failure = _failure(drone(build_limit_s=6), relu_onnx)
    assert failure.kind == "candidate"
    assert "killed after 6 s (stage: building the network)" in failure.text


def test_network_that_does_not_fit_into_memory_may_fit_later(drone, relu_onnx, wrapper, tmp_path):
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [2**20, 3, 16, 24])  # 4.8 GB
    graph = helper.make_graph(
        [
            helper.make_node("Expand", ["input", "shape"], ["large"]),
            helper.make_node("ReduceMax", ["large"], ["output"], keepdims=1),
        ],
        "large",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 16, 24])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, 1])],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "large.onnx")
    failure = _failure(drone(wrapper(f'ulimit -v 3000000; exec "{sys.executable}" "$@"')), tmp_path / "large.onnx")
    assert failure.kind == "transient"
    assert "the network does not fit into the memory that is free" in failure.text


@pytest.fixture
def small_disk(device):
    """Puts the device's working folder on a disk of that size."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    device.device.mkdir()

    def mount(size: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(device.device)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no small disk here: {done.stderr.strip()}")

    yield mount
    if os.path.ismount(device.device):
        subprocess.run(["umount", "--lazy", str(device.device)], check=True)


def test_no_room_for_a_job(drone, device, relu_onnx, small_disk):
    small_disk("40k")
    failure = _failure(drone(), relu_onnx)
    assert failure.kind == "device"
    assert f"a job cannot be written to {device.device}: [Errno 28] No space left on device" in failure.text
    assert "; make room there or set `folder:` in the profile" in failure.text
    assert device.lying() == []


def test_no_room_for_an_engine(drone, device, relu_onnx, small_disk, changed_program):
    small_disk("2m")
    changed_program("backends/onnxruntime.py", "def build(onnx, engine, settings): engine.write_bytes(bytes(2**22))")
    failure = _failure(drone(), relu_onnx)
    assert failure.kind == "device"
    assert "No space left on device; make room there" in failure.text
    assert device.lying() == []


def test_no_file_may_be_so_long_there(drone, relu_onnx, wrapper):
    failure = _failure(drone(wrapper(f'ulimit -f 2; exec "{sys.executable}" "$@"')), relu_onnx)
    assert failure.kind == "device"
    assert "File too large" in failure.text


def test_wrong_clock_there_changes_nothing_but_is_told(drone, relu_onnx, wrapper, tmp_path):
    year_s = 365 * 86400
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        f"import time\n_time = time.time\ntime.time = lambda: _time() + {year_s}\n"
    )
    profile = drone(wrapper(f'PYTHONPATH="{tmp_path}/site" exec "{sys.executable}" "$@"'))
    found = measured(relu_onnx, profile)
    assert datetime.now(UTC) - datetime.fromisoformat(found.measured_at) < timedelta(hours=1)
    assert 0 < found.conditions["window_s"] < 3600
    assert year_s - 3600 < inspect_target(profile)["clock_skew_s"] < year_s + 3600


def test_second_measurement_waits_for_the_device(drone, device, ask):
    first = ask(drone(**LONG))
    heard_until(first, "window")
    second = ask(drone())
    assert heard_until(second, "waiting for the device") == ["start", "waiting for the device"]
    assert len(_workers(device)) == 1
    assert len(_agents(device)) == 2
    first.send_signal(signal.SIGINT)
    assert "window" in heard_until(second, "measured")


@pytest.fixture
def second_device(tmp_path, device):
    with Server(tmp_path / "second") as server:
        yield server
        until(lambda: not server.started())
        assert server.lying() == []


def test_like_devices_are_used_at_the_same_time(quick, device, second_device, relu_onnx):
    reference_onnx(16, 24)
    both = tuple(server.reached(sys.executable) for server in (device, second_device))
    failures: list[MeasurementFailed] = []
    told: list[str] = []

    def fail_to_measure() -> None:
        with pytest.raises(MeasurementFailed) as caught:
            measured(relu_onnx, quick(name="drone", ssh=both, **LONG), progress=told.append)
        failures.append(caught.value)

    threads = [threading.Thread(target=fail_to_measure) for _ in both]
    for thread in threads:
        thread.start()
    until(lambda: told.count("window") == 2)
    for server in (device, second_device):
        (worker,) = _workers(server)
        worker.kill()
    for thread in threads:
        thread.join(60)
    assert [failure.kind for failure in failures] == ["transient", "transient"]
    assert {failure.text.split(")")[0] for failure in failures} == {f"drone ({each.where}" for each in both}


def test_like_device_takes_over_from_one_that_is_off(quick, device, second_device, relu_onnx):
    profile = quick(name="drone", ssh=tuple(server.reached(sys.executable) for server in (device, second_device)))
    device.stop()
    told: list[str] = []
    assert measured(relu_onnx, profile, progress=told.append).runs >= 8
    assert any(f"drone (127.0.0.1:{device.port}): nothing listens there" in text for text in told)
    assert inspect_target(profile)["machine"]["cores"] >= 1
    second_device.stop()
    with pytest.raises(MeasurementFailed, match="nothing listens there") as caught:
        measured(relu_onnx, profile)
    assert caught.value.kind == "device"
    with pytest.raises(MeasurementFailed, match="nothing listens there"):
        inspect_target(profile)
    second_device.start()


def test_program_ends_when_whoever_asked_falls_silent(drone, device, relu_onnx, monkeypatch):
    for name, seconds in (("BEAT_S", 0.2), ("ASKER_SILENT_S", 3.0), ("SILENT_S", 5.0)):
        monkeypatch.setattr(runner, name, seconds)

    def fall_silent() -> None:
        (client,) = (child for child in psutil.Process().children() if child.name() == "ssh")
        client.suspend()
        assert device.started()
        until(lambda: not device.started())

    hear, _ = _at("window", fall_silent)
    failure = _failure(drone(**LONG), relu_onnx, progress=hear)
    assert failure.kind == "transient"
    assert "the measuring program went silent (stage: window)" in failure.text
    shutil.rmtree(device.device)


def test_earlier_try_that_does_not_know_its_connection_is_cut_gives_way(
    drone, device, relu_onnx, changed_program, tmp_path
):
    notes = tmp_path / "notes"
    changed_program("backends/onnxruntime.py", NOTED_BUILD.format(notes=str(notes)))
    profile = drone(**LONG)
    static = tmp_path / "static.onnx"
    write_static(relu_onnx, static, (profile.lr_height, profile.lr_width))
    asked, files = job(profile), {"candidate-0.onnx": static, "reference.onnx": static}
    ends: dict[str, str] = {}
    told: dict[str, list[str]] = {"earlier": [], "later": []}

    def ask(name: str) -> None:
        try:
            runner.run(asked, files, profile, told[name].append)
        except MeasurementFailed as failure:
            ends[name] = failure.text

    threads = {name: threading.Thread(target=ask, args=(name,)) for name in told}
    threads["earlier"].start()
    until(lambda: "window" in told["earlier"])
    threads["later"].start()
    threads["earlier"].join(60)
    assert "ended with status 3 and no result" in ends["earlier"]
    until(lambda: "window" in told["later"])
    assert not any("building" in text for text in told["later"])
    assert notes.read_text().split() == ["reference.onnx", "candidate-0.onnx"]
    (worker,) = _workers(device)
    worker.kill()
    threads["later"].join(60)
    assert "killed by the system" in ends["later"]


def test_result_of_megabytes_arrives(drone, relu_onnx, changed_program):
    layers = [{"name": "layer", "inputs": "x" * 1000}] * 2000
    changed_program(
        "backends/onnxruntime.py",
        f"""
        _build = build
        def build(onnx, engine, settings):
            return {{**_build(onnx, engine, settings), "layers": [{layers[0]!r}] * {len(layers)}}}
        """,
    )
    assert measured(relu_onnx, drone()).engine == {"layers": layers}


def test_device_that_takes_no_job_is_not_waited_for_without_end(drone, wrapper, relu_onnx, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "CONNECTED_S", 2)
    large = onnx.load(relu_onnx)
    large.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(2**22, np.float32), "weights"))
    onnx.save(large, tmp_path / "large.onnx")
    failure = _failure(drone(wrapper("exec sleep 30")), tmp_path / "large.onnx")
    assert failure.kind == "device"
    assert "it was connected to, but did not answer: try `ssh -i" in failure.text
