"""Says what this machine can do for nas-sr, what is missing, and how to get it."""

from __future__ import annotations

import os
import platform
import shutil

from nas_sr.cache import cache_folder
from nas_sr.data.demo import demonstration
from nas_sr.device_program.cores import cpuinfo
from nas_sr.environment import machine, versions
from nas_sr.errors import UsageError
from nas_sr.measure.inspection import inspect_target
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile
from nas_sr.runtimes import Check, processor_precisions, runtime_checks


def checks() -> list[Check]:
    """Everything that decides what nas-sr can do here."""
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
        _shared_memory(),
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


def _shared_memory() -> Check:
    """Ray keeps its objects there; in a container it is often 64 MB."""
    if not os.path.isdir("/dev/shm"):
        return Check("shared memory", "missing", "no /dev/shm", "Ray then uses files, which is slower")
    free_mb = shutil.disk_usage("/dev/shm").free / 1e6
    if free_mb < 100:
        return Check("shared memory", "missing", f"{free_mb:.0f} MB free", "start the container with --shm-size=1g")
    return Check("shared memory", "ok", f"{free_mb / 1e3:.1f} GB free")
