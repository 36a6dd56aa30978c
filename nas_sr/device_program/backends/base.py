"""The contract of a backend: what is known of its runtime where that is not installed, and what its module does.

Nothing here needs a runtime or numpy. A backend is a module of this folder, called as its entry in `RUNTIMES` with `_`
for `-`; it imports its runtime at its top, so that it cannot be imported where that is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, Sequence

from ..protocol import Plan
from ..settings import OnnxFiles, Precision, Settings

# Devices: one measurement at a time has one of these to itself, and whoever trains on it steps aside meanwhile.
CPU = "cpu"
GPU = "cuda:0"  # the first that CUDA sees


class Runtime(NamedTuple):
    """What is known of a runtime without loading it."""

    title: str  # as its makers call it
    package: str | None  # its Python module; None: it is a program
    device: str  # that a measurement by it occupies
    precisions: tuple[Precision, ...]  # that it can be asked for; a processor may still lack one
    install: str  # how to get it on the machine that nas-sr is installed on


class Backend(Protocol):
    """What the module of a backend has: these functions.

    One whose runtime is offered in a precision that processors may lack also has `precisions() -> Sequence[Precision]`:
    those that the processor here has.

    A worker process calls `build` for one network, another fresh one `measure` or `infer` for what was built. An engine
    is one file, whatever is in it. A fault is told as a Failure, whose kind says whose it is.
    """

    def versions(self) -> dict[str, str]:
        """Of everything that may change the figure, among them one called as the backend.

        Raises:
            Failure: kind device; something else that it needs is not there.
        """

    def described(self, settings: Settings) -> dict[str, Any]:
        """What every engine is built and run with, for the record: precision, threads, ..."""

    def build(self, onnx: OnnxFiles, engine: Path, settings: Settings) -> dict[str, Any]:
        """Writes the engine of a network of one static size; facts about it for the record.

        Raises:
            Failure: kind candidate, with the layer that the runtime cannot do; kind device where the processor cannot
                compute in the precision that is asked for: no other is ever taken in silence.
        """

    def measure(self, engines: Sequence[Path], reference: Path, settings: Settings, plan: Plan) -> dict[str, Any]:
        """Samples of the engines in turn, with the reference network between them: what protocol.measure returns, and
        what else the backend can tell of each network (`output`: "finite" or "not finite", `per_layer_ms`,
        `runtime_memory_mb`, ...).

        Raises:
            Failure: kind candidate or device.
        """

    def infer(self, engine: Path, image: Any, settings: Settings) -> Any:
        """The output for one image, both numpy arrays of the network's own shape; computed as it is when timed.

        Raises:
            Failure: kind candidate or device.
        """
