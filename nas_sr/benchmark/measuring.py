"""Adds to a recorded benchmark the latencies of its networks on targets."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nas_sr.benchmark.table import LatencyRow, Table, read_table
from nas_sr.families.base import Spec
from nas_sr.measure.latency_cache import cached_or_measured
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import ExportError
from nas_sr.measure.profile import HardwareProfile


def record_latencies(
    folder: Path,
    targets: Sequence[HardwareProfile],
    minutes: float = math.inf,
    tell: Callable[[str], None] = lambda text: None,
) -> Table:
    """Measures every network of a table on every target on which it has no stable latency yet, and keeps each at once.

    Args:
        folder: of the table.
        targets: hardware profiles.
        minutes: after which no further measurement is begun.
        tell: is told each latency.

    Raises:
        UsageError: no such table.
        MeasurementFailed: a device cannot measure anything; what was measured is kept.
    """
    until = time.monotonic() + 60 * minutes
    table = read_table(folder)
    for spec in table.specs.values():
        for target in targets:
            known = table.latencies.get((spec.digest, target.name))
            if (known is None or not known.stable) and time.monotonic() < until:
                row = _measured(spec, target)
                if row is None:
                    tell(f"{spec.label()} on {target.name}: no figure now; the same command takes it again")
                    continue
                table.latencies[spec.digest, target.name] = row
                table.write(folder)
                ratio = row.reason if row.relative_latency is None else f"{row.relative_latency:.3f} of the reference"
                tell(f"{spec.label()} on {target.name}: {ratio}{'' if row.stable else ', not stable'}")
    return table


def _measured(spec: Spec, target: HardwareProfile) -> LatencyRow | None:
    """None where another try may give a figure."""
    try:
        found = cached_or_measured(spec, target)
    except (MeasurementFailed, ExportError) as failure:
        kind = failure.kind if isinstance(failure, MeasurementFailed) else "candidate"
        if kind == "device":
            raise
        if kind == "transient":
            return None
        backend = target.backends[0]
        return LatencyRow(
            spec.digest, target.name, backend, target.precision, None, None, None, None, False, str(failure)
        )
    return LatencyRow(
        spec.digest,
        target.name,
        found.backend,
        target.precision,
        found.relative_latency,
        found.raw_latency_ms,
        found.reference_latency_ms,
        found.iqr_ms,
        found.stable,
        "; ".join(found.labels),
    )
