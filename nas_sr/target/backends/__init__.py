"""One module a backend: ONNX -> engine file (`build`), engine file -> samples (`measure`)."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ..failure import Failure

MODULES = {
    "onnxruntime": "onnxruntime",
    "tensorrt": "tensorrt",
    "tensorrt-rtx": "tensorrt_rtx",
    "trtexec": "trtexec",
}


def backend(name: str) -> Any:
    """The module of that name, if what it needs is there.

    Raises:
        Failure: kind device, with what is missing.
    """
    try:
        module = importlib.import_module("." + MODULES[name], __package__)
        module.versions()
    except ImportError as error:
        raise Failure("device", "{} cannot be used here: {}".format(name, error)) from error
    return module


def first_usable(names: list[str]) -> tuple[str, Any]:
    """The first backend of these that can be used here, and its module.

    Raises:
        Failure: kind device, with what each of them lacks.
    """
    lacks = []
    for name in names:
        try:
            return name, backend(name)
        except Failure as failure:
            lacks.append(failure.text)
    remedy = "install one for {}, or name another Python with `python:` in the profile".format(sys.executable)
    raise Failure("device", "{}; {}".format("; ".join(lacks), remedy))
