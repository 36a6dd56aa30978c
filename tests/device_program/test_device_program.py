from __future__ import annotations

import ast
import errno
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nas_sr
from nas_sr.device_program import job
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.failure_kinds import Failure, failure_of
from nas_sr.device_program.messages import parse_message, send
from tests import old_python

TARGET = Path(job.__file__).parent
ALLOWED = {"cuda", "numpy", "pycuda", *(runtime.package for runtime in RUNTIMES.values())}
FILES = sorted(TARGET.rglob("*.py"))
JOB = {
    "format": job.FORMAT,
    "action": "measure",
    "backends": ["onnxruntime"],
    "tensorrt": [],
    "settings": {"lr_height": 4, "lr_width": 4, "threads": "physical"},
    "plan": {
        "warmup_s": 0,
        "warmup_iterations": 1,
        "seconds": 0,
        "iterations": 2,
        "reference_share": 1,
        "limit_s": 60,
    },
    "networks": 1,
    "builds": 1,
    "runs": 1,
    "build_limit_s": 60,
    "silent_s": 60,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TARGET)))
def test_target_imports_nothing_of_the_rest(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(path.relative_to(TARGET).parts)
        assert {name.split(".")[0] for name in names} <= ALLOWED | sys.stdlib_module_names


def test_python_38_compiles_all_of_it(tmp_path):
    python = old_python.bare()
    if python is None:
        pytest.skip("no python3.8 on this machine")
    copy = tmp_path / "copy"
    shutil.copytree(TARGET, copy, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([python, "-m", "compileall", "-q", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A job that would build and run two files that are no networks."""
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    for name in ("candidate-0", "reference"):
        (folder / f"{name}.onnx").write_bytes(b"no network")
    _write(folder, JOB)
    return folder


def _write(folder: Path, job: dict) -> None:
    (folder / "job.json").write_text(json.dumps(job))


def _answer(folder: Path, start: tuple[str, ...] = (str(TARGET),)) -> dict:
    """The program's answer to a job."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(nas_sr.__file__).parent.parent),
        "TMPDIR": str(folder.parent.parent),
    }
    with subprocess.Popen(
        [sys.executable, *start, str(folder)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        words = [said for line in program.stdout if (said := parse_message(line))]
    assert program.returncode == 0
    assert not folder.exists()
    assert [word for word in words if "result" in word] == [words[-1]]
    return words[-1]["result"]


@pytest.mark.parametrize("start", [("-m", "nas_sr.device_program"), (str(TARGET),)])
def test_reference_that_is_no_network_is_the_devices_fault(folder, start):
    result = _answer(folder, start)
    assert (result["ok"], result["kind"]) == (False, "device")
    assert "the reference network does not run" in result["error"]


def test_probe_needs_no_network(folder):
    _write(folder, {**JOB, "action": "inspect"})
    found = _answer(folder)
    assert found["ok"]
    assert found["backends"].keys() == set(RUNTIMES)
    assert found["backends"]["onnxruntime"]["versions"]["python"] == platform.python_version()
    assert found["machine"]["cores"] >= 1
    assert found["free_disk_gb"] > 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 0}, f"job.json has format 0, but this program reads {job.FORMAT}"),
        ({"backends": ["tflite"]}, "unknown backend 'tflite'; known: onnxruntime, openvino, ncnn, tensorrt"),
        ({"action": "dance"}, "unknown action 'dance'; known: measure, inspect"),
        ({"plan": {"second": 1}}, "job.json cannot be used"),
        ({"settings": {**JOB["settings"], "threads": "all"}}, "job.json cannot be used"),
        ({"builds": None}, "job.json cannot be used"),
    ],
)
def test_job_of_another_version_is_the_devices_fault(folder, changes, text):
    _write(folder, {**JOB, **changes})
    result = _answer(folder)
    assert (result["ok"], result["kind"]) == (False, "device")
    assert text in result["error"]


def test_folder_without_a_job_is_answered(tmp_path):
    (tmp_path / "jobs" / "one").mkdir(parents=True)
    assert "job.json cannot be used" in _answer(tmp_path / "jobs" / "one")["error"]


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (Failure("candidate", "no\n  such operator"), "candidate", "no such operator"),
        (MemoryError(), "transient", "out of memory (build)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "transient", "out of memory (build)"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "device", "/x: No space left on device; make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "device", "build: Disk quota exceeded; make room there"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "device", "/x: Permission denied"),
        (ZeroDivisionError("no"), "transient", "unexpected ZeroDivisionError('no') (build)"),
    ],
)
def test_every_exception_is_somebodys_fault(error, kind, text):
    failure = failure_of(error, "build")
    assert failure.kind == kind
    assert text in failure.text


def test_what_is_said_is_heard_among_anybodys_words(capsys):
    print("no end of line", end="")
    send(stage="a line\nand another")
    print("nas-sr-target no JSON\nnas-sr-target 3\nnas-sr-target {", end="")
    send(alive=True)
    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert [said for line in lines if (said := parse_message(line))] == [
        {"stage": "a line\nand another"},
        {"alive": True},
    ]
    assert parse_message(lines[-1].rstrip("\n")) is None  # cut short, as far as anybody can tell


def test_bootstrap_is_read_by_python_2_to_be_told_that_it_is_too_old():
    python = next(iter(Path.home().glob(".pyenv/versions/2.7.*/bin/python")), None)
    if python is None:
        pytest.skip("no Python 2.7 on this machine")
    done = subprocess.run([python, str(TARGET / "bootstrap.py"), "/nowhere", "job"], capture_output=True, text=True)
    said = [parse_message(line) for line in done.stdout.splitlines(keepends=True)]
    assert said[-1]["result"]["kind"] == "device"
    assert "Python 2.7" in said[-1]["result"]["error"]


def test_call_without_a_folder_is_explained():
    done = subprocess.run([sys.executable, str(TARGET)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
