"""Runs files of a bundle by one runtime in a process of its own, which a library that fails takes with it.

It is told which by JSON on standard input: `python -m nas_sr.export.formats.run`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nas_sr.device_program.failure_kinds import failure_of
from nas_sr.device_program.messages import send
from nas_sr.export.formats import destination
from nas_sr.export.formats.base import Run, output_by_backend


def main() -> None:
    """Reads {"work": a list of {"destination": "" for the bundle itself, "folder", "run", "images" and "outputs": .npy
    files}}, writes the outputs and says {"ran": for each of them null or {"kind", "error"}}."""
    send(ran=[_failure(each) for each in json.load(sys.stdin)["work"]])


def _failure(work: dict[str, Any]) -> dict[str, str] | None:
    name, run = work["destination"], Run(**work["run"])
    try:
        computed = destination(name).output if name else output_by_backend
        for image, output in zip(work["images"], work["outputs"], strict=True):
            np.save(output, computed(Path(work["folder"]), run, np.load(image)))
    except Exception as error:  # the border: whatever went wrong is an answer too
        failure = failure_of(error, "infer")
        return {"kind": failure.kind, "error": failure.text}
    return None


if __name__ == "__main__":
    main()
