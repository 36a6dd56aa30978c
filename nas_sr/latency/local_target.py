"""Runs the measuring program on this machine: one fresh process for each job, gone when the job is over."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from nas_sr.latency.failure import FailureKind, MeasurementFailed
from nas_sr.latency.profile import HardwareProfile
from nas_sr.target import job
from nas_sr.target.protocol import Plan

TARGET = Path(job.__file__).parent
# Whose fault it is when the process dies without an answer, by the last stage it named; later ones may pass.
FAULT_OF_STAGE: dict[str, FailureKind] = {"start": "device", "reference": "device", "candidate": "candidate"}


def run(candidate: Path, reference: Path, profile: HardwareProfile) -> dict[str, Any]:
    """The target's result.json, once it says ok; nothing of the target runs on when this returns or raises."""
    with tempfile.TemporaryDirectory(prefix="nas-sr-job-") as name:
        folder = Path(name)
        shutil.copyfile(candidate, folder / "candidate.onnx")
        shutil.copyfile(reference, folder / "reference.onnx")
        (folder / "job.json").write_text(json.dumps(_job(profile)))
        ended = _run_process(folder, profile.protocol.limit_s)
        answer = folder / "result.json"
        if not answer.is_file():
            raise _no_answer(folder, ended, profile.protocol.limit_s)
        result = json.loads(answer.read_text())
    if not result["ok"]:
        raise MeasurementFailed(result["kind"], result["error"])
    return result


def _job(profile: HardwareProfile) -> dict[str, Any]:
    protocol = profile.protocol
    return {
        "format": job.FORMAT,
        "backend": profile.backend,
        "candidate": "candidate.onnx",
        "reference": "reference.onnx",
        "lr_height": profile.lr_height,
        "lr_width": profile.lr_width,
        "threads": profile.threads,
        "plan": {field: getattr(protocol, field) for field in Plan._fields},
    }


def _run_process(folder: Path, limit_s: float) -> int | None:
    """Exit status of the target, None if it was killed at the limit. Its output goes to files in the folder."""
    with (folder / "stages").open("wb") as stages, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, str(TARGET), "--end-with-input", str(folder)],
            stdin=subprocess.PIPE,  # closes when this process ends, however it ends, and the target with it
            stdout=stages,
            stderr=errors,
            # NumPy's own threads have nothing to do here and would only be counted.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            assert process.stdin is not None
            process.stdin.close()


def _no_answer(folder: Path, ended: int | None, limit_s: float) -> MeasurementFailed:
    stages = (folder / "stages").read_text().split() or ["start"]
    errors = (folder / "errors").read_text(errors="replace").strip().splitlines()
    if ended is None:
        what = f"killed after {limit_s:g} s"
    else:
        what = f"ended by signal {-ended}" if ended < 0 else f"ended with status {ended}"
    return MeasurementFailed(
        FAULT_OF_STAGE.get(stages[-1], "passing"),
        f"the measuring process was {what} (stage: {stages[-1]})" + (f": {errors[-1]}" if errors else ""),
    )
