"""What the GPU says of itself while it is measured, whichever kind it is; what cannot be read is None."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .jetson import Jetson
from .nvml import Nvml

READ_EVERY_S = 0.5
# Reasons for a clock below its maximum that a locked clock and a moment without work bring with them.
HARMLESS = frozenset({"gpu idle", "application clocks setting"})


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
        self._begin_s, self._begin_j = time.perf_counter(), source.energy_j()
        self._facts = source.facts()

    def own(self, pid: int) -> None:
        """This process measures for us and is no foreign one."""
        if pid not in self._own_pids:
            self._own_pids = (*self._own_pids, pid)

    def look(self) -> None:
        """Takes a reading if the last one is old enough."""
        now = time.perf_counter()
        if not self._readings or now - self._readings[-1]["at_s"] >= READ_EVERY_S:
            self._readings.append({"at_s": now, **self._source.reading(self._own_pids)})

    def report(self) -> dict[str, Any]:
        """`facts`, all `readings`, and `energy_j` taken in `energy_s` since the watch began (None without a counter).

        `at_s` is on the clock of the snapshots.
        """
        end_j = self._source.energy_j()
        known = end_j is not None and self._begin_j is not None
        return {
            "facts": self._facts,
            "readings": self._readings,
            "energy_j": round(end_j - self._begin_j, 3) if known else None,  # type: ignore[operator]
            "energy_s": round(time.perf_counter() - self._begin_s, 3),
        }
