"""Says what this machine can do for nas-sr, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from typing import NamedTuple

from nas_sr.cache import cache_folder
from nas_sr.data.demo import demonstration
from nas_sr.environment import machine, versions
from nas_sr.errors import UsageError


class Check(NamedTuple):
    """One thing looked at. What is optional and missing is fine: `remedy` says how to get it."""

    name: str
    status: str  # "ok", "missing" (optional) or "broken" (nas-sr cannot work)
    found: str
    remedy: str = ""


def checks() -> list[Check]:
    """Everything that decides what nas-sr can do here."""
    here = machine()
    packages = ", ".join(f"{name} {version}" for name, version in versions().items() if name != "python")
    cores = f"{here['processor']}, {here['physical_cores']} cores, {here['memory_gb']} GB"
    return [
        Check("python", "ok", platform.python_version()),
        Check("packages", "ok", packages),
        Check("processor", "ok", f"{cores}: a target (--hw cpu), and trains"),
        _gpu(here["gpus"]),
        *(_runtime(name, module, extra) for name, module, extra in _RUNTIMES),
        _demonstration(),
        _cache(),
        _shared_memory(),
    ]


_RUNTIMES = (
    ("TensorRT", "tensorrt", "tensorrt"),
    ("TensorRT for RTX", "tensorrt_rtx_bindings", "tensorrt-rtx"),
    ("spandrel", "spandrel", "spandrel"),
)


def _gpu(names: list[str]) -> Check:
    if names:
        return Check("GPU", "ok", f"{', '.join(names)}: trains")
    return Check("GPU", "missing", "none that torch sees", "training works without; with an NVIDIA GPU, a CUDA torch")


def _runtime(name: str, module: str, extra: str) -> Check:
    if importlib.util.find_spec(module):
        return Check(name, "ok", "installed; no target uses it yet")
    return Check(name, "missing", "not installed; no target uses it yet", f"pip install 'nas-sr[{extra}]'")


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
