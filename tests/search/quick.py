"""A real search made short: tiny networks, few steps, a brief protocol. Everything else is as users have it."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas_sr.cli.main import run
from nas_sr.shipped import find
from nas_sr.yaml_file import load_yaml
from tests.search.without_ray import without_ray

SPACE = {
    "title": "tiny networks",
    "fixed": {"depth": 2, "head": 16},
    "parameters": {"core": [2, 4], "gidbs": [1, 2], "groups": [1, 2], "nla_after": [[], [1]]},
}


def quick_cpu() -> dict[str, Any]:
    """The profile of this CPU with a small input and a brief protocol that believes everything."""
    hardware = load_yaml(find("hw_profiles", "cpu"))
    hardware |= {"name": "quick-cpu", "lr_height": 24, "lr_width": 24}
    # What is tested is not the stability of this machine.
    hardware["protocol"] |= {"warmup_s": 0.05, "seconds": 0.1, "iterations": 5, "warmup_iterations": 2, "retries": 0}
    hardware["protocol"] |= {"final_runs": 1, "max_run_spread": 1e9}
    hardware["protocol"] |= dict.fromkeys(("max_foreign_cpu", "max_iqr", "max_halves", "max_reference_drift"), 1e9)
    return hardware


def write_configs(folder: Path, **training: Any) -> list[str]:
    """The options of a quick search whose files lie in `folder`."""
    phase = {"steps": 6, "batch": 2, "crop_lr": 16, "validate_every": 3, **training}
    study = {
        "space": str(folder / "space.yaml"),
        "hw": str(folder / "quick-cpu.yaml"),
        "training": {"precision": "fp32", "memory_format": "contiguous", "phases": [phase]},
    }
    for name, value in [("space", SPACE), ("quick-cpu", quick_cpu()), ("study", study)]:
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value))
    return [
        "search", "--config", str(folder / "study.yaml"), "--name", "quick", "--studies", str(folder / "studies"),
        "--reports", str(folder / "reports"), "--json",
    ]  # fmt: skip


def start(arguments: list[str], cwd: Path) -> subprocess.Popen[str]:
    """The command as a user's shell starts it, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from nas_sr.cli import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str], status: int = 0) -> tuple[Any, str]:
    """What it printed as JSON and on standard error, once it ended with that status."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    return json.loads(output) if output.strip() else None, errors


def answered(arguments: list[str], status: int = 0) -> tuple[Any, str]:
    """Like `finished(start(...))`, but in this process, which spares the seconds of importing; not for a search."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "120")
        assert run(arguments) == status, errors.getvalue()
    return json.loads(output.getvalue()) if output.getvalue().strip() else None, errors.getvalue()


def searched(arguments: list[str], status: int = 0) -> tuple[Any, str]:
    """Like `answered`, for a search: candidates are evaluated in this process one after another, without Ray."""
    with without_ray():
        return answered(arguments, status)
