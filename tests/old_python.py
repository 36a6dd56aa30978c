"""Python 3.8 with ONNX Runtime, as a Jetson with JetPack 5 has it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

# The last that Python 3.8 can use. Neither needs what it says it does for what is done here.
INSTALL = ["--no-deps", "--no-compile", "--only-binary=:all:", "onnxruntime==1.19.2", "numpy==1.24.4"]


@lru_cache
def bare() -> Path | None:
    """The interpreter, if this machine has one."""
    for variables in ({}, {"PYENV_VERSION": "3.8.18"}):
        command = ["python3.8", "-c", "import sys; print(sys.executable)"]
        try:
            done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        if done.returncode == 0:
            return Path(done.stdout.strip())
    return None


def made(folder: Path) -> Path | str:
    """The interpreter of an environment with both packages, made once for all processes of a test run; else why not."""
    python = bare()
    if python is None:
        return "no python3.8 on this machine"
    folder.mkdir(exist_ok=True)
    ready, environment = folder / "ready", folder / "environment"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_file():
            # This Python's pip can install for another one, and is there already.
            subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True, capture_output=True)
            target = ["--target", environment / "lib/python3.8/site-packages", "--python-version", "3.8"]
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--retries=1", "--timeout=20", *target]
            done = subprocess.run([*install, *INSTALL], capture_output=True, text=True, check=False)
            ready.write_text("" if done.returncode == 0 else f"no package registry: {done.stderr.splitlines()[-1]}")
    return ready.read_text() or environment / "bin/python"
