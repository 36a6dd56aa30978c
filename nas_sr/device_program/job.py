"""What is asked of this program: job.json in a folder with the ONNX files of some networks and of the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from .backends import RUNTIMES
from .cores import physical_cores
from .failure_kinds import Failure
from .protocol import Plan
from .settings import OnnxFiles, Settings

FORMAT = 3
ACTIONS = ("measure", "inspect")


class Job(NamedTuple):
    """Probe: what is there. Measure: build engines of `networks` networks `builds` times with the first usable backend,
    and run those of each time in turn, in `runs` fresh processes. `tensorrt`: beginnings of the versions of TensorRT
    that are usable; none: any.

    `build_limit_s` is for one engine, `plan.limit_s` for one network in one run. `silent_s`: whoever asked writes a
    byte now and then, and is taken to be gone after this time without one.
    """

    folder: Path
    action: str
    backends: list[str]
    tensorrt: list[str]
    settings: Settings
    plan: Plan
    networks: int
    builds: int
    runs: int
    build_limit_s: float
    silent_s: float

    def onnx(self, network: str) -> OnnxFiles:
        """The files of "candidate-0", "candidate-1", ... or "reference"."""
        fp16 = self.folder / (network + "-fp16.onnx")
        return OnnxFiles(self.folder / (network + ".onnx"), fp16 if fp16.is_file() else None)


def read(folder: Path) -> Job:
    """The job in a folder.

    Raises:
        Failure: kind device, for this program and the one that wrote the job do not agree.
    """
    try:
        value = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise Failure("device", "job.json has format {}, but this program reads {}".format(value["format"], FORMAT))
        for name in value["backends"]:
            if name not in RUNTIMES:
                raise Failure("device", "unknown backend '{}'; known: {}".format(name, ", ".join(RUNTIMES)))
        if value["action"] not in ACTIONS:
            raise Failure("device", "unknown action '{}'; known: {}".format(value["action"], ", ".join(ACTIONS)))
        return Job(
            folder=folder,
            action=value["action"],
            backends=list(value["backends"]),
            tensorrt=list(value["tensorrt"]),
            settings=_settings(value["settings"], folder),
            plan=Plan(**value["plan"]),
            networks=int(value["networks"]),
            builds=int(value["builds"]),
            runs=int(value["runs"]),
            build_limit_s=float(value["build_limit_s"]),
            silent_s=float(value["silent_s"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure("device", "job.json cannot be used: {!r}".format(error)) from error


def _settings(value: dict[str, Any], folder: Path) -> Settings:
    threads = value["threads"]
    found = {
        "threads": physical_cores() if threads == "physical" else int(threads),
        "cache_folder": str(folder.parent.parent / "cache"),  # beside the folder of all jobs
    }
    return Settings(**{**value, **found})
