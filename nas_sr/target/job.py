"""The border of the measuring program: job.json in, result.json out, failure as a value."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any, Callable, NamedTuple

from .conditions import machine, physical_cores
from .failure import Failure
from .protocol import Plan, measure

FORMAT = 1
BACKENDS = {"onnxruntime": "onnxruntime_backend"}


class Job(NamedTuple):
    """What is asked: two ONNX files in the job's folder, an LR input size in pixels, threads, and how to sample."""

    backend: str
    candidate: str
    reference: str
    lr_height: int
    lr_width: int
    threads: int
    plan: Plan


def read(folder: Path) -> Job:
    """The job in a folder.

    Raises:
        Failure: kind device, for this program and the one that wrote the job do not agree.
    """
    try:
        value = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise Failure("device", "job.json has format {}, but this program reads {}".format(value["format"], FORMAT))
        if value["backend"] not in BACKENDS:
            raise Failure("device", "unknown backend '{}'; known: {}".format(value["backend"], ", ".join(BACKENDS)))
        threads = value["threads"]
        return Job(
            backend=value["backend"],
            candidate=value["candidate"],
            reference=value["reference"],
            lr_height=int(value["lr_height"]),
            lr_width=int(value["lr_width"]),
            threads=physical_cores() if threads == "physical" else int(threads),
            plan=Plan(**value["plan"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure("device", "job.json cannot be used: {!r}".format(error)) from error


def answer(folder: Path) -> None:
    """Measures what job.json asks and writes result.json, whole or not at all."""
    try:
        result = {"ok": True, **_measured(folder)}
    except Failure as failure:
        result = {"ok": False, "kind": failure.kind, "error": failure.text}
    except Exception as error:  # the border: what nobody foresaw is an answer too, and may pass
        result = {"ok": False, "kind": "passing", "error": "unexpected {!r}".format(error)}
    result["format"] = FORMAT
    temporary = folder / "result.json.part"
    temporary.write_text(json.dumps(result), encoding="utf-8")
    os.replace(str(temporary), str(folder / "result.json"))


def _measured(folder: Path) -> dict[str, Any]:
    job = read(folder)
    try:
        backend = importlib.import_module("." + BACKENDS[job.backend], __package__)
    except ImportError as error:
        raise Failure("device", "{} cannot be used here: {}".format(job.backend, error)) from error

    def loaded(name: str) -> Callable[[], float]:
        runner: Callable[[], float] = backend.load(folder / name, job.lr_height, job.lr_width, job.threads)
        return runner

    taken = measure(lambda: loaded(job.candidate), lambda: loaded(job.reference), job.plan)
    facts = {**machine(), "threads": job.threads, "session": backend.settings(job.threads)}
    return {**taken, "machine": facts, "versions": backend.versions()}
