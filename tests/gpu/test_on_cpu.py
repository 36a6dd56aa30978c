"""The suite's own parts where there is no GPU: each check runs on the CPU or on stand-ins, and can fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nas_sr.device_program.nvml import Nvml
from nas_sr.measure.profile import profile
from nas_sr.search.targets import target
from nas_sr.train.execution import Execution
from tests.device_program.nvinfer.stand_in import StandInCuda
from tests.gpu import here
from tests.gpu.binding import used
from tests.gpu.figures import Figures
from tests.gpu.profiles import SMALL, networks, this_gpu, written
from tests.gpu.readings import Sampled, implausible, sampled
from tests.gpu.sharing import beside
from tests.gpu.training import crops, fp16_that_overflows, from_the_cpu, halved
from tests.search.quick import quick_cpu
from tests.train.quick import demonstration
from tests.train.test_gradients import room_for

without_gpu = pytest.mark.skipif(not here.driver(), reason="this machine has a GPU")
MINIMAL = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("hypothesis", "xdist", "build", "mypy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import pytest
sys.exit(pytest.main())
"""
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@without_gpu
def test_without_a_gpu_all_is_skipped_with_what_is_missing() -> None:
    """In an environment of pytest and nas-sr's own dependencies: no hypothesis, no xdist."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    said = subprocess.run(
        [sys.executable, "-c", MINIMAL, "-p", "no:cacheprovider", "-rs", "-m", "gpu", "tests/gpu"],
        cwd=here.CHECKOUT,
        env={**own, "COLUMNS": "999", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    summary = said.stdout.splitlines()[-1]
    assert "skipped" in summary
    assert not {"passed", "failed", "error"} & set(summary.replace(",", "").split())
    assert "no NVIDIA driver answers: install it" in said.stdout
    assert not (here.CHECKOUT / "gpu-figures.json").exists()


FAILING = """
import sys, pytest
from tests.gpu import here
here.no_gpu = lambda: ""
sys.exit(pytest.main())
"""


@without_gpu
def test_figures_and_reasons_are_left_and_named_though_tests_fail(tmp_path: Path) -> None:
    """As on a machine whose GPU is there but does not work."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            FAILING,
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            "-c",
            "pyproject.toml",
            "tests/gpu/test_readings.py::test_this_process_is_none_of_the_others",
            "tests/gpu/test_sharing.py",
        ],
        cwd=here.CHECKOUT,
        env={**own, "COLUMNS": "999"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1, said.stdout + said.stderr
    path = tmp_path / "gpu-figures.json"
    assert f"figures: {path} and {path.with_suffix('.md')}" in said.stdout
    kept = json.loads(path.read_text())
    assert kept["about"]["torch"] == torch.__version__
    failed, *skipped = kept["tests"]
    assert failed["test"] == "test_readings.py::test_this_process_is_none_of_the_others"
    assert failed["outcome"] == "failed"
    assert "CUDA" in failed["reason"]
    assert {each["outcome"] for each in skipped} == {"skipped"}
    assert all("cannot be used here" in each["reason"] or "finds no GPU" in each["reason"] for each in skipped)


def test_what_is_missing_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    assert here.product("tensorrt").startswith("TensorRT cannot be imported (import of tensorrt halted")
    assert here.product("tensorrt").endswith(": pip install 'nas-sr[tensorrt]'")
    assert here.binding("pycuda").endswith(": pip install pycuda, which needs the CUDA toolkit")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert here.torch_with_cuda().endswith("is built without CUDA: install a CUDA build of it")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert here.driver() == "CUDA_VISIBLE_DEVICES hides every GPU: unset it"
    assert {"driver", "torch", "tensorrt", "pycuda"} <= here.lacks().keys()
    assert all(text in here.no_gpu() for text in here.lacks().values())


def test_gpu_that_torch_cannot_use_is_a_matter_of_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "driver", lambda: "")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "for CUDA 13.0 sees no GPU: update the driver" in here.torch_with_cuda()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert here.torch_with_cuda() == ""
    assert here.no_gpu() == ""
    monkeypatch.setattr(here, "NEEDED", ("pytest", "no_such_package"))
    assert here.no_gpu().startswith(f"{sys.executable} lacks no_such_package: give a Python that has them, `make test")


def _of_its_own() -> dict[str, str]:
    """The environment without what a `make` that runs these tests hands on to those below it."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


@needs_make
def test_make_installs_nothing_for_a_python_that_is_given() -> None:
    def steps(*arguments: str) -> list[str]:
        make = ["make", "--no-print-directory", "-n", "test-gpu", *arguments]
        done = subprocess.run(make, cwd=here.CHECKOUT, env=_of_its_own(), capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    given = steps("PY=/opt/cuda/bin/python")
    assert [line.split("/opt/cuda/bin/python ")[1].split()[:3] for line in given] == [
        ["-m", "tests.gpu.here"],
        ["-m", "pytest", "-p"],
    ]
    assert all(f"PYTHONPATH={here.CHECKOUT}" in line for line in given)
    assert not [line for line in [*given, *steps("VENV=no-such-folder", "PYTHON=python9")] if "pip" in line]
    assert all(" python9 -m " in line for line in steps("VENV=no-such-folder", "PYTHON=python9"))


@needs_make
@without_gpu
def test_make_without_a_gpu_fails_and_says_why() -> None:
    make = ["make", "--no-print-directory", "test-gpu", f"PY={sys.executable}"]
    done = subprocess.run(make, cwd=here.CHECKOUT, env=_of_its_own(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no NVIDIA driver answers" in done.stderr
    assert "nothing here can run on a GPU, so nothing was tested" in done.stderr


def test_figures_are_there_after_each_of_them(tmp_path: Path) -> None:
    figures = Figures(tmp_path / "f.json", {"gpu": "GeForce RTX 2080", "driver": None})
    figures.record("latency", 1.23456789, "ms", "floating | clocks")
    figures.record("clock", "constant at 1515 MHz")
    figures.ended("test_a.py::test_b", "failed", "assert 1 == 2")
    figures.ended("test_a.py::test_c", "passed", "")
    kept = json.loads(figures.path.read_text())
    assert kept["about"]["gpu"] == "GeForce RTX 2080"
    assert kept["figures"][0] == {"name": "latency", "value": 1.23456789, "unit": "ms", "note": "floating | clocks"}
    assert [each["outcome"] for each in kept["tests"]] == ["failed", "passed"]
    table = figures.table.read_text()
    assert "| latency | 1.235 | ms | floating \\| clocks |" in table
    assert "| clock | constant at 1515 MHz |" in table
    assert "test_a.py::test_b: failed: assert 1 == 2" in table
    assert "test_c" not in table
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.json", "f.md"]
    for name, value in (("latency", 2.0), ("power", float("nan"))):
        with pytest.raises(ValueError, match=name):
            figures.record(name, value, "ms")


def test_profile_of_whatever_gpu_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, ["tensorrt", "tensorrt-rtx"], (64, 96), seconds=1.0)
    found = profile(str(path))
    assert (found.backends, found.device) == (("tensorrt", "tensorrt-rtx"), "cuda:0")
    assert (found.gpu, found.facts, found.clocks, found.tensorrt) == (None, None, None, ())
    assert (found.lr_height, found.lr_width, found.protocol.seconds, found.protocol.retries) == (64, 96, 1.0, 0)
    assert target(str(path), tmp_path).predictor is None  # nothing is predicted from another GPU's calibration
    assert this_gpu("tensorrt-rtx").backends == ("tensorrt-rtx",)
    assert len({spec.digest for spec in networks()}) == 8


def test_device_is_compared_with_the_cpu() -> None:
    assert from_the_cpu("cpu") == (0, 0, 0)


def test_overflow_in_fp16() -> None:
    done = fp16_that_overflows("cpu", steps=30)
    assert done.skipped > 0
    assert done.taken == 30 - done.skipped
    assert done.finite
    assert done.scale == 2.0 ** (40 - done.skipped)


def test_out_of_memory() -> None:
    done = halved(Execution(), SMALL, room_for(2), batch=5, steps=3)
    assert (done.batch, done.micro_batch) == (5, 2)
    assert done.said == ["out of memory with 5 images at once: going on with 2 at a time; the batch stays at 5"]
    assert done.loss_difference < 1e-4


def test_crops() -> None:
    cut = crops("cpu", demonstration().train, steps=3)
    assert cut.same
    assert cut.device_ms > 0
    assert cut.files_ms > 0


def test_binding() -> None:
    class Limited(StandInCuda):
        def allocate(self, size: int) -> int:
            if size > 1 << 30:
                raise MemoryError("out of memory")
            return super().allocate(size)

    assert used(Limited()) == (True, True, 0, "out of memory")


def test_engine_program_says_what_is_missing() -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX")
    asked = {
        "product": "tensorrt-rtx",
        "binding": "cuda-python",
        "fp32": "n.onnx",
        "fp16": "n.onnx",
        "engine": "e",
        "settings": {"lr_height": 64, "lr_width": 96},
    }
    if not here.driver():
        pytest.skip("this machine has a GPU")
    program = [sys.executable, "-m", "tests.gpu.one_engine"]
    done = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True)
    assert "cuda-python finds no GPU to use" in json.loads(done.stdout)["failure"]


def test_readings(tmp_path: Path) -> None:
    """Of a stand-in for the driver's library: an RTX 2080 at its lock, too warm."""
    pytest.importorskip("hypothesis")
    from tests.device_program.test_gpu import DRIVER

    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    (tmp_path / "nvml.c").write_text(DRIVER % os.getpid())
    library = tmp_path / "nvml.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "nvml.c")], check=True)
    taken = sampled(Nvml(library=str(library)), 1.2, lambda: None)
    assert len(taken.readings) == 3
    assert taken.clocks == "constant at 1515 MHz"
    assert taken.throttled == ["0x4000", "software thermal slowdown"]
    assert taken.counted_w == pytest.approx(5, rel=0.2)  # 2.5 J at every look
    power, reasons = implausible(taken)
    assert "by the energy counter it took" in power
    assert reasons == "unknown reasons for a lower clock: 0x4000"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"power_w": 187400.0}, "power_w is 187400"),  # milliwatts
        ({"sm_clock_mhz": 1515e6}, "sm_clock_mhz"),
        ({"memory_free_mb": 9000.0}, "memory_free_mb is 9000"),
        ({"temperature_c": 334}, "temperature_c"),  # kelvin
        ({"throttle": ["gpu idle"]}, "every reading calls the GPU idle"),
        ({"energy_j": 1.0}, "the energy counter fell"),
        ({"energy_j": 1e6}, "by the energy counter it took"),
    ],
)
def test_impossible_readings_are_noticed(changes: dict, text: str) -> None:
    facts = {"max_sm_clock_mhz": 2100, "max_memory_clock_mhz": 7000, "memory_total_mb": 8192, "power_limit_w": 215.0}
    usual = {
        "sm_clock_mhz": 1515,
        "memory_clock_mhz": 7000,
        "temperature_c": 61,
        "power_w": 187.4,
        "throttle": [],
        "memory_free_mb": 6144,
    }
    readings = [{**usual, "at_s": 0.5 * number, "energy_j": 90.0 * number} for number in range(4)]
    assert implausible(Sampled(facts, readings)) == []
    readings[-1] |= changes
    if "throttle" in changes:
        readings = [{**each, **changes} for each in readings]
    assert any(text in each for each in implausible(Sampled(facts, readings)))


def test_trainings_beside_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").write_text(json.dumps(quick_cpu()))
    hardware = profile(str(tmp_path / "cpu.yaml"))
    longer = hardware.protocol.model_copy(update={"seconds": 1.0})
    done = beside(hardware.model_copy(update={"protocol": longer}), SMALL, "cpu", tmp_path)
    assert done.steps_before > 5
    assert done.steps_after > 0
    assert done.steps_within == 0
    assert done.were_visitors
    assert done.taken.latency_ms > 0
