"""Starts the measuring program: `python -m nas_sr.target JOBDIR`, or `python path/to/target JOBDIR` for a copy.

With --end-with-input it ends when its standard input closes: whoever started it is gone, by whatever signal.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

USAGE = "usage: python path/to/target [--end-with-input] JOBDIR"


def _package() -> ModuleType:
    """This folder as a package, under whatever name it was copied."""
    if __package__:
        return importlib.import_module(__package__)
    folder = Path(__file__).resolve().parent
    sys.path.pop(0)  # the folder itself: its modules would hide others of the same name
    spec = importlib.util.spec_from_file_location(
        "nas_sr_target", str(folder / "__init__.py"), submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os._exit(3)


def main() -> int:
    """Answers one job. A failed measurement is an answer too: the exit status is 0 whenever result.json was written."""
    arguments = sys.argv[1:]
    if "--end-with-input" in arguments:
        arguments.remove("--end-with-input")
        threading.Thread(target=_end_with_input, daemon=True).start()
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    job = importlib.import_module(_package().__name__ + ".job")
    job.answer(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
