"""Runs one network on images of one size, one after the other, in a process of its own, and keeps the outputs.

It is told which by JSON on standard input: `python -m nas_sr.device_program.infer`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy

from . import backends
from .failure_kinds import failure_of
from .messages import send
from .settings import OnnxFiles, Settings


def main() -> None:
    """Reads {"backend", "fp32", "fp16", "engine", "image", "output", "settings"}, writes the output (as .npy) and says
    {"inferred": facts} or {"failure": kind and text}."""
    asked = json.load(sys.stdin)
    files = OnnxFiles(Path(asked["fp32"]), Path(asked["fp16"]) if asked["fp16"] else None)
    engine, settings = Path(asked["engine"]), Settings(**asked["settings"])
    try:
        backend = backends.backend(asked["backend"])
        backends.check_precision(asked["backend"], settings.precision)
        facts = backend.build(files, engine, settings)
        images = numpy.load(asked["image"])
        outputs = [backend.infer(engine, images[index : index + 1], settings) for index in range(len(images))]
        numpy.save(asked["output"], numpy.concatenate(outputs))
        send(inferred={**facts, "versions": backend.versions()})
    except Exception as error:  # the border: whatever went wrong is an answer too
        failure = failure_of(error, "infer")
        send(failure={"kind": failure.kind, "error": failure.text})


if __name__ == "__main__":
    main()
