"""What a backend is told: the files of one network, and how its engine is built and run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Sequence

from .failure_kinds import Failure

Precision = Literal["fp32", "fp16", "bf16"]


class OnnxFiles(NamedTuple):
    """One network; `fp16` is there when the settings ask for that precision."""

    fp32: Path
    fp16: Path | None


class Settings(NamedTuple):
    """One for all backends; each reads what it has a use for."""

    lr_height: int
    lr_width: int
    precision: Precision = "fp32"  # of weights and arithmetic
    threads: int = 1  # of the CPU
    workspace_mb: int = 1024
    optimization_level: int = 3
    cache_folder: str = ""  # on the device; timing caches lie there, one per device and version; "" is none
    fresh: bool = False  # build from an empty timing cache, whatever lies there, and leave that as it is
    compute_capability: str | None = None  # build for another GPU than the one that is there
    per_layer: bool = False

    def check_shape(self, shape: Sequence[object]) -> None:
        """Whether a network's input is one image of the size that is measured, channels first or last.

        Raises:
            Failure: kind candidate; a figure would be that of another size than it says.
        """
        size = [self.lr_height, self.lr_width]
        allowed = [1, 3, *size], [1, *size, 3]
        if list(shape) not in allowed:
            raise Failure("candidate", "the network takes {}, but {} is measured".format(list(shape), allowed[0]))
