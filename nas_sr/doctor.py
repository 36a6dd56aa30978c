"""Says what this machine can do for nas-sr, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from nas_sr.cache import cache_folder
from nas_sr.data.demo import demonstration
from nas_sr.device_program.cores import cpuinfo
from nas_sr.environment import machine, versions
from nas_sr.errors import UsageError
from nas_sr.files import held_alone, write_json
from nas_sr.measure.inspection import differences, inspect_target
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile
from nas_sr.runtimes import Check, processor_precisions, runtime_checks

_LITTLE_DISK_GB, _SLOW_DISK_S = 2.0, 0.5


def checks(hw: str | None = None) -> list[Check]:
    """Everything that decides what nas-sr can do here, and on a target if one is named.

    Raises:
        UsageError: no such target.
    """
    here = machine()
    packages = ", ".join(f"{name} {version}" for name, version in versions().items() if name != "python")
    cores = f"{here['processor']}, {here['physical_cores']} cores, {here['memory_gb']} GB"
    precisions = processor_precisions(next(iter(cpuinfo()), {}))
    return [
        Check("python", "ok", platform.python_version()),
        Check("packages", "ok", packages),
        Check("processor", "ok", f"{cores}; {precisions}: a target (--hw cpu), and trains"),
        *_devices(here["gpus"]),
        _demonstration(),
        _cache(),
        *_disk(),
        _shared_memory(),
        _ray_address(),
        *(_target(hw) if hw else []),
    ]


def _devices(seen_by_torch: list[str]) -> list[Check]:
    """What trains and what measures, as the measuring program finds it: by loading and asking, not by names."""
    try:
        inspected = inspect_target(profile("cpu"))
    except MeasurementFailed as failure:
        return [_gpu(seen_by_torch, None), Check("measuring program", "broken", failure.text, "install nas-sr anew")]
    driver = ((inspected["gpu"] or {}).get("facts") or {}).get("name")
    return [_gpu(seen_by_torch, driver), *runtime_checks(inspected["backends"])]


def _gpu(seen_by_torch: list[str], seen_by_driver: str | None) -> Check:
    if seen_by_torch:
        return Check("GPU", "ok", f"{', '.join(seen_by_torch)}: trains")
    if seen_by_driver:
        remedy = "install a torch with CUDA that this driver supports (pytorch.org says which)"
        return Check(
            "GPU", "missing", f"{seen_by_driver} is there, but torch does not see it: training uses the CPU", remedy
        )
    return Check("GPU", "missing", "none", "training works without; with an NVIDIA GPU: its driver, and a CUDA torch")


def _demonstration() -> Check:
    try:
        count = sum(len(demonstration(role)) for role in ("train", "val"))
    except UsageError as error:
        return Check("demonstration images", "missing", str(error), "pip install scikit-image scikit-learn")
    return Check("demonstration images", "ok", f"{count} photographs")


def _cache() -> Check:
    try:
        folder = cache_folder()
    except UsageError as error:
        return Check("cache", "broken", str(error), "set NAS_SR_CACHE to a folder that can be written to")
    free_gb = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        return Check("cache", "broken", f"{folder} cannot be written to", "set NAS_SR_CACHE to another folder")
    return Check("cache", "ok", f"{folder}, {free_gb:.0f} GB free")


def _disk() -> list[Check]:
    """How long a small file takes to be on the disk of the working folder, and whether that has locks."""
    folder = Path.cwd()
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".nas-sr-doctor-") as inside:
            begin = time.monotonic()
            write_json(Path(inside) / "file.json", {})
            took_s = time.monotonic() - begin
            with held_alone(Path(inside) / "lock", "held by another process"):
                pass
    except OSError as error:
        remedy = "run nas-sr in another folder, or name folders with --studies and --reports"
        return [Check("disk", "missing", f"{folder} cannot be written to: {error.strerror}", remedy)]
    except UsageError as error:
        remedy = "keep studies on another disk (--studies); over NFS, mount with locks (nfsvers=4, no `nolock`)"
        return [Check("disk", "broken", str(error), remedy)]
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{folder}, {free_gb:.0f} GB free, a small file is written in {1e3 * took_s:.0f} ms; it has locks"
    if free_gb < _LITTLE_DISK_GB:
        return [Check("disk", "missing", found, "make room: a candidate keeps 1 to 10 MB")]
    if took_s > _SLOW_DISK_S:
        return [Check("disk", "missing", found, "it is slow: keep studies on another disk (--studies)")]
    return [Check("disk", "ok", found)]


def _ray_address() -> Check:
    """A search starts Ray on this machine; this variable would make Ray look for another one's."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address:
        return Check("Ray", "missing", f"RAY_ADDRESS is {address}", "unset RAY_ADDRESS, unless that cluster is meant")
    return Check("Ray", "ok", "starts on this machine for each search")


def _target(hw: str) -> list[Check]:
    """Whether a target answers, and is as its profile says."""
    wanted = profile(hw)
    name = f"target {wanted.name}"
    try:
        found = inspect_target(wanted)
    except MeasurementFailed as failure:
        remedy = f"`nas-sr hw show {hw}` says how it is reached; try that ssh command by hand"
        return [Check(name, "broken", f"{wanted.where}: {failure.text}", remedy if wanted.ssh else "")]
    texts = differences(wanted, found)
    if not texts:
        return [Check(name, "ok", f"{wanted.where}: as its profile says")]
    return [Check(name, "broken", f"{wanted.where}: {text}", "see docs/targets.md") for text in texts]


def _shared_memory() -> Check:
    """Ray keeps its objects there; in a container it is often 64 MB."""
    if not os.path.isdir("/dev/shm"):
        return Check("shared memory", "missing", "no /dev/shm", "Ray then uses files, which is slower")
    free_mb = shutil.disk_usage("/dev/shm").free / 1e6
    if free_mb < 100:
        return Check("shared memory", "missing", f"{free_mb:.0f} MB free", "start the container with --shm-size=1g")
    return Check("shared memory", "ok", f"{free_mb / 1e3:.1f} GB free")
