"""The backend trtexec against a program that takes trtexec's arguments as its versions do."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.device_program import steps, trtexec_command
from nas_sr.device_program.backends import first_usable, trtexec
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.job import Job
from nas_sr.device_program.messages import parse_message
from nas_sr.device_program.protocol import Plan
from nas_sr.device_program.settings import OnnxFiles, Settings
from nas_sr.device_program.trtexec_command import Trtexec, version_of

LOOK_ALIKE = Path(__file__).with_name("trtexec_look_alike.py")
SETTINGS = Settings(lr_height=8, lr_width=12)
PLAN = Plan(warmup_s=0.1, warmup_iterations=1, seconds=1, iterations=20, reference_share=0.25, limit_s=60)
VERSIONS = {"8201": "8.2.1", "8502": "8.5.2", "8601": "8.6.1", "100300": "10.3.0", "110400": "11.4.0"}


@pytest.fixture
def like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts the program in place as one version, and gives the calls made to it."""

    def made(version: str, **environment: str):
        program = tmp_path / f"trtexec-{version}"
        program.write_text(f"#!{sys.executable}\n" + LOOK_ALIKE.read_text())
        program.chmod(0o755)
        calls = tmp_path / "calls"
        monkeypatch.setenv("TRTEXEC", str(program))
        for name, value in {"LIKE": version, "CALLS": str(calls), **environment}.items():
            monkeypatch.setenv(name, value)
        trtexec_command.find.cache_clear()
        return lambda: [json.loads(line) for line in calls.read_text().splitlines()] if calls.is_file() else []

    yield made
    trtexec_command.find.cache_clear()


@pytest.fixture
def network(tmp_path: Path) -> OnnxFiles:
    """A network, and its fp16 version: another file."""

    def save(name: str, kind: int) -> Path:
        info = [helper.make_tensor_value_info(each, kind, [1, 3, 8, 12]) for each in ("image", "out")]
        graph = helper.make_graph([helper.make_node("Relu", ["image"], ["out"])], name, info[:1], info[1:])
        path = tmp_path / f"{name}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    return OnnxFiles(save("single", TensorProto.FLOAT), save("half", TensorProto.FLOAT16))


def _measured(engine: Path, reference: Path, settings: Settings, plan: Plan) -> dict:
    """What is found of one network, and of the GPU meanwhile."""
    taken = trtexec.measure([engine], reference, settings, plan)
    (network,) = taken.pop("networks")
    return {**taken, **network}


def _engine(tmp_path: Path, name: str, compute_ms: int) -> Path:
    path = tmp_path / name
    path.write_bytes(b"engine" + bytes([compute_ms]))
    return path


@pytest.mark.parametrize(("digits", "version"), [*VERSIONS.items(), ("8000", "8.0.0"), ("101601", "10.16.1")])
def test_version_in_the_banner(digits, version):
    assert version_of(digits) == version


@pytest.mark.parametrize(("digits", "version"), VERSIONS.items())
def test_versions_are_told(like, digits, version):
    like(digits)
    assert trtexec.versions()["trtexec"] == version


@pytest.mark.parametrize(
    ("version", "precision", "options"),
    [
        ("8201", "fp16", {"--workspace": "1024", "--nvtxMode": "verbose", "--buildOnly": "", "--fp16": ""}),
        (
            "8502",
            "fp16",
            {"--memPoolSize": "workspace:1024", "--profilingVerbosity": "detailed", "--buildOnly": "", "--fp16": ""},
        ),
        (
            "8601",
            "fp32",
            {
                "--memPoolSize": "workspace:1024",
                "--profilingVerbosity": "detailed",
                "--skipInference": "",
                "--builderOptimizationLevel": "3",
            },
        ),
        (
            "110400",
            "fp16",
            {
                "--memPoolSize": "workspace:1024",
                "--profilingVerbosity": "detailed",
                "--skipInference": "",
                "--builderOptimizationLevel": "3",
            },
        ),
    ],
)
def test_each_version_is_told_in_its_own_words(like, network, tmp_path, version, precision, options):
    calls = like(version)
    facts = trtexec.build(network, tmp_path / "e", SETTINGS._replace(precision=precision))
    (arguments,) = calls()
    given = dict(([*argument.split("=", 1), ""])[:2] for argument in arguments)
    assert given.pop("--saveEngine") == str(tmp_path / "e")
    assert Path(given.pop("--onnx")).parent == tmp_path
    assert Path(given.pop("--exportLayerInfo")).name == "layers.json"
    assert given == options
    assert facts["engine_bytes"] == (tmp_path / "e").stat().st_size
    assert facts["warnings"] == ["a warning"]
    assert facts["timing_cache"] is None
    assert facts["layers"][0]["onnx"] == ["/conv/Conv", "/Relu"]
    # The flag makes fp16 of the fp32 file where there is one; version 11 needs the fp16 file.
    built_from = onnx.load_from_string((tmp_path / "e").read_bytes()[len(b"engine of ") :]).graph
    assert (
        built_from.name
        == ("half" if version == "110400" else "single")
        == {"fp16": "half", "fp32": "single"}[facts["onnx"]]
    )


def test_version_11_without_an_fp16_file_says_so(like, network, tmp_path):
    like("110400")
    with pytest.raises(Failure, match=r"trtexec 11.4.0 builds fp16 from an fp16 ONNX file only") as caught:
        trtexec.build(network._replace(fp16=None), tmp_path / "e", SETTINGS._replace(precision="fp16"))
    assert caught.value.kind == "device"


def test_optimization_level_that_a_version_lacks_is_refused(like, network, tmp_path):
    like("8502")
    with pytest.raises(
        Failure, match=r"8.5.2 has no optimization levels, 8.6 or newer .* optimization_level: 3"
    ) as caught:
        trtexec.build(network, tmp_path / "e", SETTINGS._replace(optimization_level=5))
    assert caught.value.kind == "device"


def test_timing_cache_grows_and_a_corrupt_one_is_ignored_and_said(like, network, tmp_path):
    like("8601")
    settings = SETTINGS._replace(cache_folder=str(tmp_path / "caches"))
    first = trtexec.build(network, tmp_path / "e", settings)["timing_cache"]
    second = trtexec.build(network, tmp_path / "e", settings)["timing_cache"]
    digests = [hashlib.sha256(b"timed" * runs).hexdigest() for runs in (1, 2)]
    assert first == {"used": None, "left": digests[0], "ignored": None, "fresh": False}
    assert second == {"used": digests[0], "left": digests[1], "ignored": None, "fresh": False}
    (cache,) = (tmp_path / "caches").iterdir()
    cache.write_bytes(cache.read_bytes()[:-1])
    third = trtexec.build(network, tmp_path / "e", settings)["timing_cache"]
    assert (third["used"], third["left"]) == (None, digests[0])
    assert third["ignored"].startswith("corrupt")


def test_fresh_build_neither_reads_nor_changes_the_cache_that_trials_share(like, network, tmp_path):
    like("8601")
    shared = SETTINGS._replace(cache_folder=str(tmp_path / "caches"))
    trtexec.build(network, tmp_path / "e", shared)
    (cache,) = (tmp_path / "caches").iterdir()
    before = cache.read_bytes()
    once = hashlib.sha256(b"timed").hexdigest()
    for _ in range(2):
        facts = trtexec.build(network, tmp_path / "e", shared._replace(fresh=True))["timing_cache"]
        assert facts == {"used": None, "left": once, "ignored": None, "fresh": True}
        assert cache.read_bytes() == before


@pytest.mark.parametrize("builds", [1, 3])
def test_builds_of_a_finalist_are_fresh_and_those_of_trials_share(like, network, tmp_path, builds):
    """Two jobs on one device, as its program does them."""
    like("8601")
    left = []
    for name in ("first", "second"):
        folder = tmp_path / "jobs" / name
        folder.mkdir(parents=True)
        for which in ("candidate-0", "reference"):
            (folder / f"{which}.onnx").write_bytes(network.fp32.read_bytes())
        settings = SETTINGS._replace(cache_folder=str(tmp_path / "cache"))
        job = Job(folder, "measure", ["trtexec"], [], settings, PLAN, 1, builds, 1, 60.0, 60.0)
        left += [steps.build(job, number)["candidate"]["timing_cache"] for number in range(builds)]
    assert {cache["fresh"] for cache in left} == {builds > 1}
    assert [cache["used"] is None for cache in left] == ([True] * 6 if builds > 1 else [False, False])


@pytest.mark.parametrize("version", VERSIONS)
def test_candidate_is_measured_between_two_blocks_of_the_reference(like, tmp_path, capsys, version):
    calls = like(version)
    found = _measured(_engine(tmp_path, "c", 5), _engine(tmp_path, "r", 9), SETTINGS, PLAN)
    # None of the warm-up's ten times longer runs is among them, though 8.2 exports them.
    assert set(found["samples_ms"]) == {5.0}
    assert set(found["reference_ms"]) == {9.0}
    assert len(found["samples_ms"]) == 20
    block = len(found["reference_ms"]) // 2
    assert found["reference_after"] == [0] * block + [20] * block
    runs = calls()
    assert [next(Path(option).name[-1] for option in run if "loadEngine" in option) for run in runs] == ["r", "c", "r"]
    for run in runs:
        assert {"--noDataTransfers", "--useSpinWait"} <= set(run)
        assert ("--noCudaGraph" in run) == (version == "110400")
        assert "--useCudaGraph" not in run
    said = [parse_message(line) for line in capsys.readouterr().out.splitlines(keepends=True)]
    assert [each["stage"] for each in said if each] == ["reference", "candidate", "window", "reference"]
    assert found["enqueue_ms"] == [pytest.approx(4.0)] * 20
    assert found["gpu"]["readings"]


def test_several_networks_are_measured_with_the_reference_between_them(like, tmp_path):
    calls = like("8601")
    engines = [_engine(tmp_path, "a", 5), _engine(tmp_path, "b", 7)]
    first, second = trtexec.measure(engines, _engine(tmp_path, "r", 9), SETTINGS, PLAN)["networks"]
    assert (set(first["samples_ms"]), set(second["samples_ms"])) == ({5.0}, {7.0})
    runs = [next(Path(option).name[-1] for option in run if "loadEngine" in option) for run in calls()]
    assert runs == ["r", "a", "r", "b", "r"]
    assert second["reference_after"] == first["reference_after"]


def test_cpu_time_of_trtexec_is_not_foreign(like, tmp_path, monkeypatch):
    """It spins while it waits: its CPU time must be our own, or every measurement would look disturbed."""
    like("8601", TAKES_S="0")
    monkeypatch.setattr(trtexec, "_cpu_s", lambda pid: 100.0)
    found = _measured(_engine(tmp_path, "c", 5), _engine(tmp_path, "r", 5), SETTINGS, PLAN)
    assert all(snapshot["own_s"] >= 100 for snapshot in found["snapshots"])
    assert len(found["snapshots"]) >= 2
    first, last = found["snapshots"][0], found["snapshots"][-1]
    assert last["at_s"] > first["at_s"]
    assert {"busy_s", "stolen_s", "load_average"} <= set(first)


def test_cpu_time_of_a_process_is_read_while_it_runs_and_after(tmp_path):
    before = trtexec._cpu_s(os.getpid())
    assert before > 0
    assert trtexec._cpu_s(2**22 + 1) >= 0


@pytest.mark.parametrize("version", ["8601", "110400"])
def test_network_bound_by_its_launches_is_measured_with_a_cuda_graph_too(like, tmp_path, version):
    calls = like(version)
    found = _measured(_engine(tmp_path, "c", 3), _engine(tmp_path, "r", 9), SETTINGS, PLAN)
    assert found["cuda_graph_ms"] == [3.0] * 20
    graph = calls()[-1]
    assert "--useCudaGraph" in graph
    assert "--noCudaGraph" not in graph


def test_times_by_layer_on_request(like, tmp_path):
    calls = like("8502")
    settings = SETTINGS._replace(per_layer=True)
    found = _measured(_engine(tmp_path, "c", 9), _engine(tmp_path, "r", 9), settings, PLAN)
    assert found["per_layer_ms"] == [{"name": "/conv/Conv", "ms": 1.5}]
    assert {"--dumpProfile", "--separateProfileRun"} <= set(calls()[-1])


@pytest.mark.parametrize(
    ("says", "kind", "text"),
    [
        (
            '[11/22/2026-19:00:00] [E] [TRT] ModelImporter.cpp:771: While parsing node number 4 [Foo -> "y"]:\n'
            "[11/22/2026-19:00:00] [E] [TRT] ModelImporter.cpp:776: In node 4 (parseGraph): UNSUPPORTED_NODE: No"
            " importer registered for op: Foo",
            "candidate",
            "In node 4 .* No importer registered for op: Foo",
        ),
        (
            "[11/22/2026-19:00:00] [E] Error[1]: [defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime"
            " (out of memory)",
            "transient",
            "end other programs that use it, or lower workspace_mb from 1024",
        ),
        (
            "[11/22/2026-19:00:00] [W] [TRT] Skipping tactic 0x0 due to insufficient memory on requested size of 9\n"
            "[11/22/2026-19:00:00] [E] Error[10]: Could not find any implementation for node /conv/Conv.",
            "candidate",
            "implementation for node /conv/Conv.* raise workspace_mb",
        ),
        ("[11/22/2026-19:00:00] [E] Unknown option: --new", "device", "Unknown option"),
        (
            "Cuda failure: CUDA driver version is insufficient for CUDA runtime version",
            "device",
            r"driver version is insufficient .* \(trtexec 8.5.2 ended with status 1\)",
        ),
    ],
)
def test_failed_build_has_the_kind_its_words_mean(like, network, tmp_path, says, kind, text):
    like("8502", FAIL_ON="--onnx", SAYS=says)
    with pytest.raises(Failure, match=text) as caught:
        trtexec.build(network, tmp_path / "e", SETTINGS)
    assert caught.value.kind == kind
    assert "\n" not in caught.value.text


def test_engine_that_does_not_run_is_its_own_fault_and_the_references_the_devices(like, tmp_path):
    candidate, reference = _engine(tmp_path, "c.engine", 5), _engine(tmp_path, "r.engine", 5)
    for broken, kind in [("c.engine", "candidate"), ("r.engine", "device")]:
        like("8502", FAIL_ON=broken, SAYS="[11/22/2026-19:00:00] [E] Engine deserialization failed")
        with pytest.raises(Failure, match="Engine deserialization failed") as caught:
            _measured(candidate, reference, SETTINGS, PLAN)
        assert caught.value.kind == kind


def test_version_that_the_profile_does_not_name_is_not_measured_with(like):
    like("8601")
    name, module = first_usable(["trtexec"], ["8.5", "8.6"])
    assert (name, module) == ("trtexec", trtexec)
    with pytest.raises(Failure, match=r"TensorRT 8.6.1 is there, and the profile is for 8.5, 8.2") as caught:
        first_usable(["trtexec"], ["8.5", "8.2"])
    assert caught.value.kind == "device"


def test_no_program_is_the_devices_fault_with_the_remedy(monkeypatch, tmp_path):
    trtexec_command.find.cache_clear()
    monkeypatch.delenv("TRTEXEC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    if Path(trtexec_command.ON_JETSON).exists():
        pytest.skip("this machine has TensorRT")
    with pytest.raises(Failure, match=r"apt install tensorrt.*set TRTEXEC") as caught:
        trtexec.versions()
    assert caught.value.kind == "device"


def test_another_program_of_that_name_is_refused(tmp_path):
    program = tmp_path / "trtexec"
    program.write_text("#!/bin/sh\necho something else\n")
    program.chmod(0o755)
    with pytest.raises(Failure, match="does not say which TensorRT it is of: something else") as caught:
        Trtexec(str(program))
    assert caught.value.kind == "device"


def test_only_the_standard_library_is_imported():
    """Also by what it imports of this program: a device may have no numpy."""
    package = Path(trtexec_command.__file__).parent
    seen: set[Path] = set()
    waiting = [Path(trtexec.__file__)]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names, path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] in sys.stdlib_module_names, path
            elif isinstance(node, ast.ImportFrom):
                base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                candidates = [base.with_suffix(".py"), *(base / f"{alias.name}.py" for alias in node.names)]
                waiting += [each for each in candidates if each.is_file() and each not in seen]
    assert package / "nvinfer/timing_cache.py" in seen
