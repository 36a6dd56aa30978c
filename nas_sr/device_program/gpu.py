"""What the GPU says of itself while it is measured, whichever kind it is; what cannot be read is None."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .jetson import Jetson
from .nvml import Nvml

READ_EVERY_S = 0.5
IDLE = "gpu idle"
# Reasons for a clock below its maximum that a locked clock and a moment without work bring with them.
HARMLESS = frozenset({IDLE, "application clocks setting"})


def gpu(pci_bus_id: str | None = None, root: Path = Path("/")) -> Jetson | Nvml:
    """The source of all readings: `facts()`, `reading()`, `energy_j()`. Of a GPU that is not there all is None."""
    jetson = Jetson(root)
    return jetson if jetson.there else Nvml(pci_bus_id)


class Watch:
    """Readings twice a second for as long as somebody calls `look`.

    Args:
        source: whose readings.
    """

    def __init__(self, source: Jetson | Nvml) -> None:
        self._source = source
        self._own_pids: tuple[int, ...] = ()
        self._readings: list[dict[str, Any]] = []
        self._facts = source.facts()

    def own(self, pid: int) -> None:
        """This process measures for us and is no foreign one."""
        if pid not in self._own_pids:
            self._own_pids = (*self._own_pids, pid)

    def look(self) -> None:
        """Takes a reading if the last one is old enough."""
        now = time.perf_counter()
        if not self._readings or now - self._readings[-1]["at_s"] >= READ_EVERY_S:
            reading = self._source.reading(self._own_pids)
            self._readings.append({"at_s": now, **reading, "energy_j": self._source.energy_j()})

    def report(self) -> dict[str, Any]:
        """`facts` and all `readings`, before the window and in it; `at_s` is on the clock of the snapshots.

        `energy_j` of a reading is a counter's, None without one.
        """
        return {"facts": self._facts, "readings": self._readings}
