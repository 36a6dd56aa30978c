"""ONNX files and a quick profile for the latency tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from nas_sr.measure import runner
from nas_sr.measure.attempts import Network, job, measure
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.onnx_static import write_static
from nas_sr.measure.profile import HardwareProfile, Protocol
from tests.sshd import Server, skip_without_server
from tests.waiting import until

# Believes everything: no test of the mechanics may depend on how quiet the machine is.
CREDULOUS = Protocol(
    warmup_s=0.01,
    warmup_iterations=1,
    seconds=0.05,
    iterations=8,
    reference_share=0.25,
    max_foreign_cpu=1e9,
    max_iqr=1e9,
    max_halves=1e9,
    max_reference_drift=1e9,
    max_run_spread=1e9,
    retries=0,
    limit_s=60,
)

# What `measure` does in the end, without the seconds that importing PyTorch takes.
ASKER = """
import json, sys
from pathlib import Path
from nas_sr.measure.profile import HardwareProfile
from nas_sr.measure.runner import run
asked = json.loads(sys.argv[1])
files = {name: Path(path) for name, path in asked["files"].items()}
run(asked["job"], files, HardwareProfile.model_validate(asked["profile"]), lambda text: print(text, flush=True))
print("measured", flush=True)
"""


def measured(onnx: Path, profile: HardwareProfile, digest: str = "n", **how) -> Measurement:
    """The latency of one file."""
    return measure([Network(digest, onnx)], profile, **how)[0]


@pytest.fixture
def quick() -> Callable[..., HardwareProfile]:
    """A profile of a small size that believes everything, with some values of its own or of its protocol changed."""

    def made(**changes) -> HardwareProfile:
        values = {
            "name": "test",
            "title": "test",
            "backends": ("onnxruntime",),
            "lr_height": 16,
            "lr_width": 24,
            "threads": 1,
        }
        own = {name: changes.pop(name) for name in HardwareProfile.model_fields if name in changes}
        return HardwareProfile.model_validate({**values, **own, "protocol": CREDULOUS.model_copy(update=changes)})

    return made


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Server]:
    """A device that is reached by ssh. After every test nothing runs there, and no job has left anything."""
    skip_without_server()
    with Server(tmp_path / "device") as server:
        yield server
        until(lambda: not server.started())
        assert server.lying() == []


@pytest.fixture
def drone(device: Server, quick) -> Callable[..., HardwareProfile]:
    """A quick profile of that device, by default with this very Python there, and some values changed."""

    def made(python: str | Path = sys.executable, reached: dict[str, object] | None = None, **changes):
        return quick(name="drone", ssh=(device.reached(str(python), **(reached or {})),), **changes)

    return made


@pytest.fixture
def ask(tmp_path: Path, relu_onnx: Path) -> Iterator[Callable[[HardwareProfile], subprocess.Popen]]:
    """Starts processes that ask for a measurement and tell its stages on standard output; all end with the test.

    Each has a cache, and so a lock on the device, of its own: as though it were on another machine.
    """
    started = []

    def start(profile: HardwareProfile) -> subprocess.Popen:
        folder = tmp_path / f"asker {len(started)}"
        folder.mkdir()
        static = folder / "static.onnx"
        write_static(relu_onnx, static, (profile.lr_height, profile.lr_width))
        files = {"candidate-0.onnx": static, "reference.onnx": static}
        asked = {"job": job(profile), "files": files, "profile": profile.model_dump(mode="json")}
        process = subprocess.Popen(
            [sys.executable, "-c", ASKER, json.dumps(asked, default=str)],
            env={**os.environ, "NAS_SR_CACHE": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def heard_until(process: subprocess.Popen, stage: str) -> list[str]:
    """What a process that asks told, up to a stage."""
    told = []
    for line in process.stdout:
        told.append(line.strip())
        if told[-1] == stage:
            return told
    raise AssertionError(f"it ended, and told only {told}")


@pytest.fixture
def changed_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sends devices a measuring program of which one module has lines added: a device's faults cannot be ordered."""
    copy = tmp_path / "program"
    shutil.copytree(runner.PROGRAM, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(runner, "PROGRAM", copy)

    def change(module: str, lines: str) -> None:
        with (copy / module).open("a") as file:
            file.write("\n" + textwrap.dedent(lines))

    return change


@pytest.fixture
def wrapper(tmp_path: Path) -> Callable[[str], Path]:
    """A program for `python:` in a profile: a shell script, in which "$@" are Python's arguments."""

    def written(script: str) -> Path:
        path = tmp_path / "wrapper"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return written


def _image(name: str, *shape: int | str):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(nodes, outputs, path: Path, size=("h", "w"), initializers=()) -> Path:
    graph = helper.make_graph(nodes, "test", [_image("input", 1, 3, *size)], outputs, list(initializers))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def relu_onnx(tmp_path: Path) -> Path:
    """A network of dynamic size that takes next to no time."""
    return _save([helper.make_node("Relu", ["input"], ["output"])], [_image("output", 1, 3, "h", "w")], tmp_path / "r")


@pytest.fixture
def static_onnx(tmp_path: Path) -> Path:
    """A network that takes 8x12 images only."""
    node = helper.make_node("Relu", ["input"], ["output"])
    return _save([node], [_image("output", 1, 3, 8, 12)], tmp_path / "s", size=(8, 12))


@pytest.fixture
def endless_onnx(tmp_path: Path) -> Path:
    """A network whose first run does not end."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Sin", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            _image("x", 1, 3, "h", "w"),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), _image("y", 1, 3, "h", "w")],
    )
    constants = [
        helper.make_tensor("count", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("always", TensorProto.BOOL, [], [True]),
    ]
    loop = helper.make_node("Loop", ["count", "always", "input"], ["output"], body=body)
    return _save([loop], [_image("output", 1, 3, "h", "w")], tmp_path / "endless", initializers=constants)
