"""Starts the measuring program: `python path/to/target JOBDIR`. It ends when its standard input closes."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import threading
from pathlib import Path

USAGE = "usage: python path/to/target JOBDIR, with standard input kept open by whoever waits"


def _package() -> str:
    """The name under which this folder is a package, whatever it was called when it was copied."""
    if __package__:
        return __package__
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
    return spec.name


def _end_with_input() -> None:
    """Ends this worker, and with it what a backend has started, when the program that started it is gone."""
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main() -> int:
    """Answers one job, or does one step of it. A failed measurement is an answer too: the exit status is 0."""
    arguments = sys.argv[1:]
    if len(arguments) == 4 and arguments[0] == "--step":
        threading.Thread(target=_end_with_input, daemon=True).start()
        steps = importlib.import_module(_package() + ".steps")
        steps.step(arguments[1], Path(arguments[3]), int(arguments[2]))
        return 0
    if len(arguments) != 1:
        print(USAGE, file=sys.stderr)
        return 2
    agent = importlib.import_module(_package() + ".agent")
    agent.answer(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
