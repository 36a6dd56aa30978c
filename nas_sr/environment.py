"""What machine this is and which versions run on it: kept with every study."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import nas_sr
from nas_sr.device_program.cores import physical_cores, usable_cpus

_PACKAGES = ("torch", "optuna", "ray", "onnxruntime", "onnx", "numpy", "scikit-learn", "scikit-image")


def environment() -> dict[str, Any]:
    """Machine and versions, in plain values."""
    return {"machine": machine(), "versions": versions()}


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, operating system, and the GPUs that torch sees."""
    import torch

    return {
        "processor": _processor(),
        "physical_cores": physical_cores(),
        "logical_cores": usable_cpus(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def versions() -> dict[str, str]:
    """Versions of Python, nas-sr and what its figures depend on."""
    found = {"python": platform.python_version(), "nas-sr": nas_sr.__version__}
    for package in _PACKAGES:
        found[package] = metadata.version(package)
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
