"""The program runs on the Python of a Jetson with JetPack 5."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from nas_sr.device_program import failure_kinds
from nas_sr.device_program.backends import RUNTIMES

TARGET = Path(failure_kinds.__file__).parent
THIRD_PARTY = {"numpy", "pycuda", "cuda", *(runtime.package for runtime in RUNTIMES.values())}

IMPORT_ALL = """
import importlib, json, pkgutil, sys
import nas_sr.device_program
found = {}
for module in pkgutil.walk_packages(nas_sr.device_program.__path__, "nas_sr.device_program."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
        found[module.name[len("nas_sr.device_program."):]] = None
    except ImportError as error:
        found[module.name[len("nas_sr.device_program."):]] = error.name
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def old_python() -> list[str]:
    """A command that runs Python 3.8."""
    for variables in ([], ["PYENV_VERSION=3.8.18"]):
        command = ["env", *variables, "python3.8"]
        if subprocess.run([*command, "-c", ""], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip("no python3.8 on this machine")


def test_everything_compiles(old_python, tmp_path):
    environment = ["env", f"PYTHONPYCACHEPREFIX={tmp_path}"]
    done = subprocess.run(
        [*environment, *old_python, "-m", "compileall", "-q", "-f", str(TARGET)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_can_be_imported_but_for_what_is_not_installed(old_python):
    root = str(TARGET.parents[1])
    done = subprocess.run(
        [*old_python, "-B", "-c", f"import sys; sys.path.insert(0, {root!r})\n" + IMPORT_ALL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lacking = json.loads(done.stdout)
    # A missing package may be named by a part of it.
    assert {name.split(".")[0] for name in lacking.values() if name} <= THIRD_PARTY
    alone = {"gpu", "jetson", "nvml", "cuda", "settings", "trtexec_command", "ahead_of_time"}
    alone |= {"backends.base", "onnx_nodes", "pnnx_command"}
    alone |= {"backends.trtexec", "nvinfer.build", "nvinfer.layers", "nvinfer.log", "nvinfer.timing_cache"}
    assert {name for name in alone if lacking[name]} == set()
    assert {
        "backends.openvino",
        "backends.ncnn",
        "backends.tensorrt",
        "backends.tensorrt_rtx",
        "cuda_pycuda",
        "cuda_python",
        "nvinfer.run",
    } <= set(lacking)
