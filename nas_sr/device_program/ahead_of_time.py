"""Builds one engine in a process of its own.

It is told which by JSON on standard input: `python -m nas_sr.device_program.ahead_of_time`.

A build that failed was seen to leave TensorRT for RTX choosing kernels of the wrong GPU for the next one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .backends import check_precision
from .failure_kinds import Failure
from .messages import send
from .settings import OnnxFiles, Settings

BACKEND = "tensorrt-rtx"


def main() -> None:
    """Reads {"fp32", "fp16", "engine", "settings"} and says {"built": facts} or {"failure": kind and text}."""
    from .backends import tensorrt_rtx  # only here: whoever names this module need not have it installed

    asked = json.load(sys.stdin)
    files = OnnxFiles(Path(asked["fp32"]), Path(asked["fp16"]) if asked["fp16"] else None)
    settings = Settings(**asked["settings"])
    try:
        check_precision(BACKEND, settings.precision)
        facts = tensorrt_rtx.build(files, Path(asked["engine"]), settings)
        send(built={**facts, "versions": tensorrt_rtx.library_versions()})
    except Failure as failure:
        send(failure={"kind": failure.kind, "error": failure.text})


if __name__ == "__main__":
    main()
