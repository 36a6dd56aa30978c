"""Where a target's latencies come from, as tables: how they were measured, what the predicted ones rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nas_sr.latency_wording import repeats, timing_cache
from nas_sr.measure.measurement import Measurement
from nas_sr.predict.prediction import Prediction
from nas_sr.quantities import NOTHING, percent, plural
from nas_sr.records import StudyRecord
from nas_sr.report.data.facts import Facts, merged
from nas_sr.report.data.latencies import measurements, predictions, shared_labels

READINGS = ("sm_clock_mhz", "memory_clock_mhz", "temperature_c", "power_w", "throttle")  # of a GPU, worth showing


def latency_facts(study: StudyRecord) -> tuple[Facts, ...]:
    """Where a target's latencies come from, measured and predicted: each table with what differs between them."""
    return (*_measured(measurements(study)), *_predicted(list(predictions(study).values())))


def _measured(by_trial: dict[int, Measurement]) -> Iterator[Facts]:
    """How the latencies were measured: protocol, finalists, engines, machine and versions."""
    taken = list(by_trial.values())
    if not taken:
        return
    conditions = [
        {
            "backend": one.backend,
            "target": one.target,
            "LR input": f"{one.lr_height}×{one.lr_width} pixels",
            "samples": one.runs,
            "attempts": one.attempts,
            "reference network meanwhile [ms]": one.reference_latency_ms if one.reference_ms else None,
            "reference network on this target [ms]": one.target_reference_ms,
            "correction for drift [%]": _correction_percent(one),
            **one.protocol,
        }
        for one in taken
    ]
    yield Facts(f"Protocol of {plural(len(taken), 'measurement')}", merged(conditions))
    if finalists := tuple((f"trial {number}", text) for number, one in by_trial.items() if (text := repeats(one))):
        yield Facts("Finalists", finalists)
    if any(one.engine for one in taken):
        yield _engines([one for one in taken if one.engine])
    gpus = [gpu for one in taken if (gpu := one.conditions.get("gpu"))]
    if gpus:
        yield _gpu(gpus)
    yield Facts("Measured machine", merged([one.machine for one in taken]))
    yield Facts("Measured with", merged([dict(one.versions) for one in taken]))


def _correction_percent(one: Measurement) -> float | None:
    """How far a latency is from what the clock said."""
    return None if one.target_reference_ms is None else round(100 * (one.latency_ms / one.raw_latency_ms - 1), 2)


def _engines(taken: list[Measurement]) -> Facts:
    """How the engines were built; of their layers, how many there are."""
    facts = [
        {
            name: len(value) if isinstance(value, list) else value
            for name, value in one.engine.items()
            if name != "timing_cache"
        }
        for one in taken
    ]
    last = max(taken, key=lambda one: one.measured_at)
    cache = (("timing cache left by the last build", timing_cache(last) or NOTHING),)
    return Facts(f"{plural(len(taken), 'engine')} built", merged(facts) + cache)


def _gpu(reports: list[dict[str, Any]]) -> Facts:
    """What the GPU is, and its readings during the measurements."""
    facts = [_known(report["facts"]) for report in reports]
    readings = [
        {name: reading[name] for name in READINGS if reading.get(name) is not None}
        for report in reports
        for reading in report["readings"]
    ]
    return Facts("GPU while it was measured", merged(facts) + merged(readings))


def _predicted(found: list[Prediction]) -> Iterator[Facts]:
    """What the predicted latencies rest on."""
    if not found:
        return
    calibrations = [
        {
            "calibration": one.calibration.source,
            "calibration points": one.calibration.points,
            "cross-validated error": percent(one.calibration.cross_validated_error),
            "calibration digest": one.calibration.digest,
            "interval": f"{percent(one.level)} of networks lie in it",
            "LR input": f"{one.lr_height}×{one.lr_width} pixels",
        }
        for one in found
    ]
    outside = sum(one.outside is not None for one in found)
    known = (
        ("outside the calibrated networks", f"{outside} of {len(found)}; in what, is in the table of trials"),
        *(("to be known of all", label) for label in shared_labels(found)),
    )
    yield Facts(f"Grounds of {plural(len(found), 'prediction')}", merged(calibrations) + known)


def _known(value: dict[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if inner is not None}
