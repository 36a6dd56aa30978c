"""The parts of a job that are worker processes of their own: inspect, build and run. Each leaves one JSON file."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any, Callable

from . import backends
from .backends.base import CPU
from .conditions import machine
from .cuda import open_cuda
from .failure_kinds import Failure, failure_of
from .gpu import gpu
from .job import Job, read
from .messages import send, send_stage

REFERENCE = "reference.engine"


def step(name: str, folder: Path, number: int) -> None:
    """Does one step of the job in `folder` and leaves its answer there; says a failure instead."""
    try:
        write_whole(answer_file(folder, name, number), json.dumps(STEPS[name](read(folder), number)))
    except Exception as error:  # the border: whatever went wrong is an answer too
        failure = failure_of(error, name)
        send(failure={"kind": failure.kind, "error": failure.text})


def answer_file(folder: Path, name: str, number: int) -> Path:
    """Where a step leaves its answer."""
    return folder / "{}-{}.json".format(name, number)


def engine_file(folder: Path, number: int) -> Path:
    """The engine of one build of one network; `number` counts the networks of the first build, then of the next."""
    return folder / "candidate-{}.engine".format(number)


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(str(temporary), str(path))


def inspect(job: Job, number: int) -> dict[str, Any]:
    """What is there: the machine, its GPU, each backend's versions and precisions or its lack, free disk, the clock."""
    by_backend = {}
    for name in backends.RUNTIMES:
        try:
            module = backends.backend(name)
            by_backend[name] = {"versions": module.versions(), "precisions": backends.precisions_here(name, module)}
        except Failure as failure:
            by_backend[name] = {"lacks": failure.text}
    source = _cudas_gpu()
    return {
        "machine": machine(),
        "gpu": {"facts": source.facts(), "reading": source.reading()} if source.there else None,
        "backends": by_backend,
        "python": platform.python_version(),
        "free_disk_gb": round(shutil.disk_usage(str(job.folder)).free / 1e9, 2),
        "unix_time_s": time.time(),
    }


def build(job: Job, number: int) -> dict[str, Any]:
    """Engines of the reference and of one network; for `number` see `engine_file`.

    The reference's is kept on the device: two builds of one network may differ, and it is what drift is judged by.
    Of several builds of the candidate each is fresh: one that finds its layers in a timing cache times nothing, and is
    the same build again.
    """
    name, backend = backends.first_usable(job.backends, job.tensorrt)
    backends.check_precision(name, job.settings.precision)
    versions = backend.versions()
    kept = _kept_reference(job, name, versions)
    if kept.is_file() and kept.with_suffix(".json").is_file():
        facts = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    else:
        send_stage("building the reference network")
        part = kept.with_suffix(".part")
        facts = _reference_works(lambda: backend.build(job.onnx("reference"), part, job.settings))
        os.replace(str(part), str(kept))
        write_whole(kept.with_suffix(".json"), json.dumps(facts))
    shutil.copyfile(str(kept), str(job.folder / REFERENCE))
    send_stage("building the network")
    settings = job.settings._replace(fresh=job.builds > 1)
    return {
        "backend": name,
        "versions": versions,
        "session": backend.described(job.settings),
        "reference": facts,
        "candidate": backend.build(
            job.onnx("candidate-{}".format(number % job.networks)), engine_file(job.folder, number), settings
        ),
    }


def run(job: Job, number: int) -> dict[str, Any]:
    """Samples of one build's engines in turn, in this fresh process; `number` counts the runs of all builds from 0."""
    first = number // job.runs * job.networks
    name = json.loads(answer_file(job.folder, "build", first).read_text(encoding="utf-8"))["backend"]
    engines = [engine_file(job.folder, first + index) for index in range(job.networks)]
    taken = backends.backend(name).measure(engines, job.folder / REFERENCE, job.settings, job.plan)
    return {**taken, "machine": {**machine(), "threads": job.settings.threads}}


STEPS = {"inspect": inspect, "build": build, "run": run}


def _kept_reference(job: Job, backend: str, versions: dict[str, str]) -> Path:
    digest = hashlib.sha256((job.folder / "reference.onnx").read_bytes())
    settings = job.settings._replace(per_layer=False)  # which changes no engine
    facts = {} if backends.RUNTIMES[backend].device == CPU else _cudas_gpu().facts()
    # An engine is of one kind of GPU, and a machine may get another one, or have several.
    kind = [facts.get("name"), facts.get("compute_capability")]
    digest.update(json.dumps([platform.node(), kind, backend, versions, settings], sort_keys=True).encode())
    folder = Path(job.settings.cache_folder) / "references"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / (digest.hexdigest()[:16] + ".engine")


def _cudas_gpu() -> Any:
    """The GPU that CUDA computes on, where a binding of it tells which: the driver numbers them in another order."""
    try:
        return gpu(open_cuda().device.pci_bus_id)
    except (Failure, ImportError):
        return gpu()


def _reference_works(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What cannot be done with the reference network is not the candidate's fault."""
    try:
        return work()
    except Failure as failure:
        if failure.kind != "candidate":
            raise
        raise Failure("device", "the reference network: " + failure.text) from failure
