"""Takes one latency: the device alone, a fresh process for each attempt, and no figure without its doubts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nas_sr
from nas_sr.arch.presets import preset
from nas_sr.cache import cache_folder
from nas_sr.latency.device_lock import measuring
from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.local_target import run
from nas_sr.latency.onnx_export import export_untrained
from nas_sr.latency.profile import HardwareProfile
from nas_sr.latency.record import Measurement
from nas_sr.latency.stability import conditions, doubts

Progress = Callable[[str], None]

# A member of the family, so that whatever slows candidates down slows it alike; the middle of the presets' costs, so
# that a fair number of its runs fit between those of the fastest and the slowest candidate.
REFERENCE = "imdeception-c8"


def measure(
    network_digest: str,
    onnx_path: Path,
    profile: HardwareProfile,
    *,
    usual_reference_ms: float | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """The latency of an ONNX file on a target, waiting for the device if need be.

    An unstable measurement is taken again up to `retries` times. If none is stable, the one with the fewest doubts is
    returned with `stable=False` and its doubts as labels.

    Args:
        network_digest: what the measurement is filed under.
        onnx_path: one fp32 input (1, 3, h, w), static at the profile's LR size or dynamic.
        profile: the target and its protocol.
        usual_reference_ms: what the reference network usually takes there, to notice a device that is slow today.
        progress: is told in a few words what happens.

    Raises:
        MeasurementFailed: with its kind.
    """
    tell = progress or (lambda text: None)
    reference = reference_onnx(profile.lr_height, profile.lr_width)
    protocol = profile.protocol
    attempts: list[tuple[Measurement, list[str]]] = []
    with measuring(profile.device, lambda: tell("waiting for the device")):
        for number in range(1, protocol.retries + 2):
            if number > 1:  # what disturbs is often gone after a while
                time.sleep(protocol.retry_pause_s * 2 ** (number - 2))
            tell("measuring" + (f" again ({number} of {protocol.retries + 1} at most)" if number > 1 else ""))
            try:
                result = run(onnx_path, reference, profile)
            except MeasurementFailed as failure:
                if failure.kind == "passing" and number <= protocol.retries:
                    tell(failure.text)
                    continue
                if failure.kind == "passing" and attempts:
                    break
                raise
            taken = _record(network_digest, profile, reference, result)
            found = doubts(taken, protocol, usual_reference_ms)
            attempts.append((taken, found))
            if not found:
                break
            tell("; ".join(found))
    best, found = min(attempts, key=lambda attempt: (len(attempt[1]), attempt[0].iqr_ms / attempt[0].latency_ms))
    labels = [*found, *_unreadable(best)]
    return best.model_copy(update={"stable": not found, "labels": tuple(labels), "attempts": number})


def reference_onnx(lr_height: int, lr_width: int) -> Path:
    """The fixed reference network at an LR size; exported once, then kept, so that it never changes on a machine."""
    path = cache_folder("reference") / f"{REFERENCE}-{lr_height}x{lr_width}.onnx"
    if not path.is_file():
        export_untrained(preset(REFERENCE), path, (lr_height, lr_width))
    return path


def file_digest(path: Path) -> str:
    """12 hex digits of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _record(network: str, profile: HardwareProfile, reference: Path, result: dict[str, Any]) -> Measurement:
    return Measurement(
        target=profile.name,
        backend=profile.backend,
        network=network,
        lr_height=profile.lr_height,
        lr_width=profile.lr_width,
        samples_ms=result["samples_ms"],
        reference_ms=result["reference_ms"],
        reference_after=result["reference_after"],
        stable=False,
        conditions=conditions(result["snapshots"]),
        protocol={
            **profile.protocol.model_dump(mode="json"),
            "reference": REFERENCE,
            "reference_file": file_digest(reference),
        },
        machine=result["machine"],
        versions={**result["versions"], "nas-sr": nas_sr.__version__},
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _unreadable(measurement: Measurement) -> list[str]:
    """What a reader must know even of a stable figure."""
    if measurement.conditions["foreign_cpu"] is None:
        return ["CPU time of other processes cannot be read on this system"]
    return []
