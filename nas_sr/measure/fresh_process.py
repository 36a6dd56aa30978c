"""Asks a module of the device program in a fresh process here: a library that fails there takes nothing with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nas_sr
from nas_sr.device_program.messages import parse_message
from nas_sr.measure.measurement_error import MeasurementFailed


def answer(module: ModuleType, asked: dict[str, Any], key: str, limit_s: float, *, work: str, process: str) -> Any:
    """What the module's `main`, given `asked` on standard input, says under `key`.

    `work` and `process` are what messages call the work and the process that does it.

    Raises:
        MeasurementFailed: with the kind and text that it says instead; candidate where it was ended after `limit_s`;
            transient where it ended without a word.
    """
    package = Path(nas_sr.__file__).parents[1]
    try:
        done = subprocess.run(
            [sys.executable, "-m", module.__name__],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MeasurementFailed("candidate", f"the {work} was ended after {limit_s:g} s") from None
    message: dict[str, Any] = {}
    for line in done.stdout.splitlines(keepends=True):
        message.update(parse_message(line) or {})
    if key in message:
        return message[key]
    if "failure" in message:
        raise MeasurementFailed(message["failure"]["kind"], message["failure"]["error"])
    how = f"ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with status {done.returncode}"
    raise MeasurementFailed("transient", ": ".join([f"the {process} {how}", *done.stderr.strip().splitlines()[-1:]]))
