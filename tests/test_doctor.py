"""The doctor looks at what would really be used, and says which targets use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from nas_sr import doctor, runtimes, shipped
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.measure.inspection import inspect_target
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.outputs import runtime_output
from nas_sr.measure.profile import profile
from nas_sr.runtimes import Check, runtime_checks
from tests.onnx_files import enlarger, saved

NO_DRIVER = "cuda-python finds no GPU to use: no NVIDIA driver on this machine"


def _backends(**more: object) -> dict[str, dict]:
    lacking = {name: {"lacks": f"{name} cannot be used here"} for name in RUNTIMES if name != "onnxruntime"}
    return {"onnxruntime": {"versions": {"onnxruntime": "1.30"}, "precisions": ["fp32"]}, **lacking, **more}  # type: ignore[dict-item]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts modules of these names and texts where this process and those it starts look first; others are not there."""

    def put(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(
            runtimes.importlib.util, "find_spec", lambda name: name if (tmp_path / f"{name}.py").exists() else None
        )

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    put()
    return put


def _by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_module_that_is_not_there_names_the_targets_and_how_to_get_it(modules) -> None:
    found = _by_name(runtime_checks(_backends()))
    for name, extra in (("TensorRT", "tensorrt"), ("TensorRT for RTX", "tensorrt-rtx")):
        assert found[name].status == "missing"
        assert "not installed; for " in found[name].found
        assert "rtx2080" in found[name].found
        assert f"nas-sr[{extra}]" in found[name].remedy
    assert "xavier" in found["TensorRT"].found
    assert "xavier" not in found["TensorRT for RTX"].found
    assert "where tensorrt and trtexec cannot measure" in found["TensorRT for RTX"].found
    assert "TensorRT for RTX, building only" not in found
    assert found["trtexec"].found.startswith("trtexec cannot be used here; for ")


def test_installed_without_a_gpu_is_not_ok(modules) -> None:
    modules(tensorrt="__version__ = '10.0.1'", tensorrt_rtx_bindings="__version__ = '1.7'")
    backends = _backends(**{"tensorrt": {"lacks": NO_DRIVER}, "tensorrt-rtx": {"lacks": NO_DRIVER}})
    found = _by_name(runtime_checks(backends))
    for name, version in (("TensorRT", "10.0.1"), ("TensorRT for RTX", "1.7")):
        assert found[name].status == "missing"
        assert f"{version} is installed, but cannot measure here: {NO_DRIVER}" in found[name].found
        assert "an NVIDIA GPU and its driver" in found[name].remedy
    building = found["TensorRT for RTX, building only"]
    assert (building.status, "--build-only" in building.found, "nothing is timed" in building.found) == (
        "ok",
        True,
        True,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "raise ImportError('libnvinfer.so.10: cannot open shared object file')",
            "ImportError: libnvinfer.so.10: cannot",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its process ended by signal 11"),
        ("__version__ = 1 / 0", "ZeroDivisionError"),
    ],
)
def test_library_that_does_not_load_says_so(modules, text: str, words: str) -> None:
    modules(tensorrt=text, tensorrt_rtx_bindings=text)
    found = _by_name(runtime_checks(_backends()))
    for name in ("TensorRT", "TensorRT for RTX"):
        assert found[name].status == "missing"
        assert f"installed, but does not load: {words}" in found[name].found
        assert found[name].remedy
    assert "TensorRT for RTX, building only" not in found


def test_what_measures_is_ok_with_its_version_and_targets(modules) -> None:
    modules(tensorrt="__version__ = '10.0.1'")
    found = _by_name(runtime_checks(_backends(tensorrt={"versions": {"tensorrt": "10.0.1", "python": "3.11"}})))
    assert found["TensorRT"].status == "ok"
    assert found["TensorRT"].found.startswith("10.0.1; for ")


def test_runtime_that_no_shipped_target_uses_is_called_so(
    modules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "hw_profiles"
    folder.mkdir()
    for path in shipped.folder("hw_profiles").glob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        if "backends" in values:
            values["backends"] = [name for name in values["backends"] if name != "tensorrt-rtx"]
        (folder / path.name).write_text(yaml.safe_dump(values))
    monkeypatch.setattr(shipped, "folder", lambda kind: tmp_path / kind)
    modules(tensorrt_rtx_bindings="__version__ = '1.7'")
    found = _by_name(runtime_checks(_backends(**{"tensorrt-rtx": {"versions": {"tensorrt-rtx": "1.7"}}})))
    assert found["TensorRT for RTX"].found == "1.7; no shipped target uses it"
    assert "for " in found["TensorRT"].found


def test_gpu_that_only_the_driver_sees_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"gpu": {"facts": {"name": "NVIDIA A100"}}, "backends": _backends()}
    monkeypatch.setattr(doctor, "inspect_target", lambda profile: there)
    monkeypatch.setattr(doctor, "runtime_checks", lambda backends: [])
    (gpu,) = doctor._devices([])
    assert (gpu.status, "NVIDIA A100 is there, but torch does not see it" in gpu.found) == ("missing", True)
    assert "CUDA" in gpu.remedy
    assert doctor._devices(["NVIDIA A100"])[0].status == "ok"
    monkeypatch.setattr(doctor, "inspect_target", lambda profile: {**there, "gpu": None})
    assert doctor._devices([])[0].remedy


def test_cpu_runtime_says_in_which_precisions_it_computes_on_this_processor(modules) -> None:
    here = {"versions": {"openvino": "2026.4"}, "precisions": ["fp32", "bf16"]}
    found = _by_name(runtime_checks(_backends(openvino=here)))
    assert found["OpenVINO"].found.startswith("2026.4 in fp32 and bf16 (not in fp16: the processor cannot); for ")
    assert found["ONNX Runtime"].found.startswith("1.30 in fp32; for ")


@pytest.mark.parametrize(
    ("cpu", "text"),
    [
        ({"flags": "fpu avx2 f16c"}, "computes in fp32, not in bf16, not in fp16"),
        ({"flags": "avx512_bf16 amx_bf16"}, "computes in fp32, in bf16 by AVX512-BF16 and AMX-BF16, not in fp16"),
        ({"flags": "avx512_fp16"}, "computes in fp32, not in bf16, in fp16 by AVX512-FP16"),
        ({"Features": "asimd asimdhp bf16"}, "computes in fp32, in bf16 by ARMv8.6, in fp16 by ARMv8.2"),
        ({}, "computes in fp32, not in bf16, not in fp16"),
    ],
)
def test_precisions_of_a_processor_are_those_that_its_flags_say(cpu: dict[str, str], text: str) -> None:
    assert runtimes.processor_precisions(cpu) == text


def test_precisions_of_an_inspection_are_those_that_a_build_does_not_refuse(tmp_path: Path) -> None:
    there = inspect_target(profile("cpu"))["backends"]
    for name in ("openvino", "ncnn"):
        pytest.importorskip(name)
        for precision in RUNTIMES[name].precisions:
            if precision in there[name]["precisions"]:
                continue
            with pytest.raises(MeasurementFailed, match=f"cannot compute in {precision}") as caught:
                runtime_output(
                    saved(enlarger(), tmp_path / "n.onnx"), np.zeros((1, 3, 5, 7), np.float32), name, precision
                )
            assert caught.value.kind == "device"
        assert "fp32" in there[name]["precisions"]


def test_target_that_does_not_answer_is_broken_and_the_remedy_is_said(tmp_path: Path) -> None:
    path = tmp_path / "away.yaml"
    path.write_text(yaml.safe_dump({"extends": "xavier", "name": "away", "ssh": [{"host": "127.0.0.1", "port": 1}]}))
    (found,) = doctor._target(str(path))
    assert (found.name, found.status) == ("target away", "broken")
    assert "127.0.0.1:1" in found.found
    assert "hw show" in found.remedy


def test_target_that_is_not_as_its_profile_says_is_told_by_difference(tmp_path: Path) -> None:
    (here,) = doctor._target("cpu")
    assert here.status == "ok"
    path = tmp_path / "gpu.yaml"
    path.write_text(yaml.safe_dump({"extends": "rtx2080", "name": "gpu", "ssh": []}))
    found = doctor._target(str(path))
    assert {check.status for check in found} == {"broken"}
    assert "tensorrt" in found[0].found.lower()


def test_cluster_that_ray_would_join_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert doctor._ray_address().status == "ok"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert "10.0.0.1:6379" in doctor._ray_address().found
    assert doctor._ray_address().remedy.startswith("unset RAY_ADDRESS")


def test_disk_without_locks_or_room_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = doctor._disk()
    assert (found.status, "it has locks" in found.found) == ("ok", True)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(doctor, "_LITTLE_DISK_GB", 1e9)
    assert doctor._disk()[0].remedy.startswith("make room")

    def refused(descriptor: int) -> bool:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("nas_sr.files.try_lock", refused)
    (found,) = doctor._disk()
    assert (found.status, "No locks available" in found.found) == ("broken", True)
    assert "NFS" in found.remedy
