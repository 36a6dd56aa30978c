from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nas_sr
from nas_sr.target import job

TARGET = Path(job.__file__).parent
ALLOWED = {"numpy", "onnxruntime"}
FILES = sorted(TARGET.glob("*.py"))


def _old_python() -> list[str] | None:
    """A command that runs Python 3.8, as a Jetson with JetPack 5 has."""
    for variables in ({}, {"PYENV_VERSION": "3.8.18"}):
        command = ["env", *(f"{name}={value}" for name, value in variables.items()), "python3.8"]
        if subprocess.run([*command, "-c", ""], capture_output=True, check=False).returncode == 0:
            return command
    return None


OLD_PYTHON = _old_python()
needs_old_python = pytest.mark.skipif(OLD_PYTHON is None, reason="no python3.8 on this machine")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_target_imports_nothing_of_the_rest(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1
        assert {name.split(".")[0] for name in names} <= ALLOWED | sys.stdlib_module_names


@needs_old_python
def test_old_python_compiles_and_runs_it(tmp_path):
    """Without NumPy and ONNX Runtime there it must still answer, and say what is missing."""
    copy = tmp_path / "copied under any name"
    shutil.copytree(TARGET, copy, ignore=shutil.ignore_patterns("__pycache__"))
    compiled = subprocess.run([*OLD_PYTHON, "-m", "py_compile", *map(str, copy.glob("*.py"))], check=False)
    assert compiled.returncode == 0
    folder = _job(tmp_path)
    done = subprocess.run([*OLD_PYTHON, "-s", "-E", str(copy), str(folder)], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    result = json.loads((folder / "result.json").read_text())
    assert result["ok"] or (result["kind"] == "device" and "onnxruntime cannot be used here" in result["error"])


def _job(tmp_path: Path, **changes) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    plan = {"warmup_s": 0, "warmup_iterations": 1, "seconds": 0, "iterations": 2, "reference_share": 1, "limit_s": 60}
    value = {"format": job.FORMAT, "backend": "onnxruntime", "candidate": "c.onnx", "reference": "r.onnx"}
    value.update(lr_height=4, lr_width=4, threads="physical", plan=plan)
    value.update(changes)
    (folder / "job.json").write_text(json.dumps(value))
    return folder


def _answer(folder: Path) -> dict:
    job.answer(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "result.json"]
    return json.loads((folder / "result.json").read_text())


def test_missing_reference_is_the_devices_fault(tmp_path):
    result = _answer(_job(tmp_path))
    assert (result["ok"], result["kind"]) == (False, "device")
    assert "the reference network does not run" in result["error"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 0}, "job.json has format 0, but this program reads 1"),
        ({"backend": "tflite"}, "unknown backend 'tflite'; known: onnxruntime"),
        ({"plan": {"second": 1}}, "job.json cannot be used"),
        ({"threads": "all"}, "job.json cannot be used"),
    ],
)
def test_job_of_another_version_is_the_devices_fault(tmp_path, changes, text):
    result = _answer(_job(tmp_path, **changes))
    assert (result["ok"], result["kind"]) == (False, "device")
    assert text in result["error"]


def test_what_nobody_foresaw_is_an_answer_too(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "read", lambda folder: 1 / 0)
    result = _answer(_job(tmp_path))
    assert result["kind"] == "passing"
    assert "ZeroDivisionError" in result["error"]


@pytest.mark.parametrize("start", [["-m", "nas_sr.target"], [str(TARGET)]])
def test_both_ways_to_start_it(tmp_path, start):
    folder = _job(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(Path(nas_sr.__file__).parent.parent)}
    done = subprocess.run([sys.executable, *start, str(folder)], env=environment, check=False)
    assert done.returncode == 0
    assert (folder / "result.json").is_file()


def test_call_without_a_folder_is_explained():
    done = subprocess.run([sys.executable, str(TARGET)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
