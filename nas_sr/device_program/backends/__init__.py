"""One module a backend, and the table of their runtimes. What a backend must have is in `base`."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Sequence

from ..failure_kinds import Failure
from ..settings import Precision
from .base import CPU, GPU, Runtime

RUNTIMES = {
    "onnxruntime": Runtime("ONNX Runtime", "onnxruntime", CPU, ("fp32",), "pip install onnxruntime"),
    "openvino": Runtime("OpenVINO", "openvino", CPU, ("fp32", "fp16", "bf16"), "pip install 'nas-sr[openvino]'"),
    "ncnn": Runtime("ncnn", "ncnn", CPU, ("fp32", "fp16"), "pip install 'nas-sr[ncnn]'"),
    "tensorrt": Runtime(
        "TensorRT", "tensorrt", GPU, ("fp32", "fp16"), "pip install 'nas-sr[tensorrt]'; on a Jetson JetPack brings it"
    ),
    "trtexec": Runtime(
        "trtexec",
        None,
        GPU,
        ("fp32", "fp16"),
        "install TensorRT's archive or package, and set TRTEXEC to the program's path",
    ),
    "tensorrt-rtx": Runtime(
        "TensorRT for RTX", "tensorrt_rtx_bindings", GPU, ("fp32", "fp16"), "pip install 'nas-sr[tensorrt-rtx]'"
    ),
}


def backend(name: str) -> Any:
    """The module of that name (see base.Backend), if what it needs is there.

    Raises:
        Failure: kind device, with what is missing.
    """
    try:
        module = importlib.import_module("." + name.replace("-", "_"), __package__)
        module.versions()
    except ImportError as error:
        raise Failure("device", "{} cannot be used here: {}".format(name, error)) from error
    return module


def precisions_here(name: str, module: Any) -> list[Precision]:
    """In which precisions a backend, which can be used here, computes on this machine's processor."""
    own = getattr(module, "precisions", None)
    return list(own() if own else RUNTIMES[name].precisions)


def check_precision(name: str, precision: str) -> None:
    """Whether a backend can be asked for a precision at all; whether the processor has it, its `build` finds.

    Raises:
        Failure: kind device.
    """
    known = RUNTIMES[name].precisions
    if precision not in known:
        raise Failure(
            "device",
            "{} runs networks in {} here, not in {}; set `precision: {}` in the profile".format(
                name, " or ".join(known), precision, known[0]
            ),
        )


def wrong_version(name: str, versions: dict[str, str], allowed: Sequence[str]) -> str | None:
    """Why a backend's TensorRT does not apply; None where it does. TensorRT for RTX has versions of its own.

    Args:
        name: the backend.
        versions: what it says of itself.
        allowed: beginnings of versions, as 8.5 or 10; none: any.
    """
    version = versions.get("tensorrt", versions.get("trtexec"))
    if version is None or not allowed or any((version + ".").startswith(each + ".") for each in allowed):
        return None
    return "{}: TensorRT {} is there, and the profile is for {} (`tensorrt:` in a profile of yours says others)".format(
        name, version, ", ".join(allowed)
    )


def first_usable(names: list[str], tensorrt: Sequence[str] = ()) -> tuple[str, Any]:
    """The first backend of these that can be used here, and its module.

    Args:
        names: backends.
        tensorrt: beginnings of the versions of TensorRT that apply; none: any.

    Raises:
        Failure: kind device, with what each of them lacks.
    """
    lacks = []
    for name in names:
        try:
            module = backend(name)
        except Failure as failure:
            lacks.append(failure.text)
            continue
        wrong = wrong_version(name, module.versions(), tensorrt)
        if wrong is None:
            return name, module
        lacks.append(wrong)
    remedy = "install one for {}, or name another Python with `python:` in the profile".format(sys.executable)
    raise Failure("device", "{}; {}".format("; ".join(lacks), remedy))
