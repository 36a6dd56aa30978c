"""Takes one latency: the device alone, a fresh process for each attempt, and no figure without its doubts."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nas_sr
from nas_sr.arch.presets import preset
from nas_sr.cache import cache_folder
from nas_sr.errors import UsageError
from nas_sr.image_format import Layout
from nas_sr.latency import target_program
from nas_sr.latency.device_lock import measuring, visitors
from nas_sr.latency.failure import MeasurementFailed
from nas_sr.latency.onnx_export import export_untrained
from nas_sr.latency.onnx_fp16 import write_fp16
from nas_sr.latency.onnx_static import write_static
from nas_sr.latency.profile import HardwareProfile
from nas_sr.latency.record import Measurement, Repeat
from nas_sr.latency.stability import cautions, conditions, doubts, spread_doubts
from nas_sr.onnx_input import ImageInput
from nas_sr.target.job import FORMAT
from nas_sr.target.protocol import Plan

Progress = Callable[[str], None]

# A member of the family, so that whatever slows candidates down slows it alike; the middle of the presets' costs, so
# that a fair number of its runs fit between those of the fastest and the slowest candidate.
REFERENCE = "imdeception-c8"
WAITING = "waiting for the device"
SETTINGS = ("lr_height", "lr_width", "precision", "threads", "workspace_mb", "optimization_level")
_RUN_KEYS = ("build", "run", "samples_ms", "reference_ms", "reference_after", "snapshots", "machine", "gpu")


def measure(
    network_digest: str,
    onnx_path: Path,
    profile: HardwareProfile,
    *,
    layout: Layout | None = None,
    final: bool = False,
    per_layer: bool = False,
    usual_reference_ms: float | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """The latency of an ONNX file on a target, waiting for the device if need be.

    An unstable measurement is taken again up to `retries` times. If none is stable, the one with the fewest doubts is
    returned with `stable=False` and its doubts as labels.

    Args:
        network_digest: what the measurement is filed under.
        onnx_path: takes one image, of the profile's LR size or of any: see onnx_input.
        profile: the target and its protocol.
        layout: of the image, where the file does not say it.
        final: with the protocol's fresh builds and fresh processes, for a network that may be chosen.
        per_layer: with the time of each layer, afterwards, where the backend can tell.
        usual_reference_ms: what the reference network usually takes there, to notice a device that is slow today.
        progress: is told in a few words what happens.

    Raises:
        MeasurementFailed: with its kind.
    """
    tell = progress or (lambda text: None)
    units = profile.units
    while True:
        with measuring(*(unit.device for unit in units), when_waiting=lambda: tell(WAITING)) as index:
            try:
                asked = job(units[index], final=final, per_layer=per_layer)
                return _measured_on(units[index], network_digest, onnx_path, layout, asked, usual_reference_ms, tell)
            except MeasurementFailed as failure:
                if failure.kind != "device" or len(units) == 1:
                    raise
                tell(failure.text)
                del units[index]


def reference_onnx(lr_height: int, lr_width: int) -> Path:
    """The fixed reference network at an LR size; exported once, then kept, so that it never changes on a machine."""
    path = cache_folder("reference") / f"{REFERENCE}-{lr_height}x{lr_width}.onnx"
    if not path.is_file():
        export_untrained(preset(REFERENCE), path, (lr_height, lr_width))
    return path


def file_digest(path: Path) -> str:
    """12 hex digits of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _measured_on(
    profile: HardwareProfile,
    network_digest: str,
    onnx_path: Path,
    layout: Layout | None,
    asked: dict[str, Any],
    usual_reference_ms: float | None,
    tell: Progress,
) -> Measurement:
    protocol = profile.protocol
    attempts: list[tuple[Measurement, list[str]]] = []
    cut_off = False
    with tempfile.TemporaryDirectory(prefix="nas-sr-job-") as folder:
        files, image = _files(onnx_path, layout, profile, Path(folder))
        for number in range(1, protocol.retries + 2):
            if number > 1:  # what disturbs is often gone after a while
                time.sleep(protocol.retry_pause_s * 2 ** (number - 2))
            tell("measuring" + (f" again ({number} of {protocol.retries + 1} at most)" if number > 1 else ""))
            beside = frozenset() if profile.ssh else visitors(profile.device)
            try:
                result = target_program.run(asked, files, profile, tell)
            except MeasurementFailed as failure:
                cut_off = cut_off or failure.kind == "passing"
                # A device that was there a moment ago may take its time to answer again.
                if cut_off and failure.kind != "candidate" and number <= protocol.retries:
                    tell(failure.text)
                    continue
                if failure.kind == "passing" and attempts:
                    break
                raise
            runs = [
                _record(network_digest, profile, files["reference.onnx"], result, run, beside) for run in result["runs"]
            ]
            taken, found = _judged(runs, profile, result, usual_reference_ms)
            attempts.append((taken, found))
            if not found:
                break
            tell("; ".join(found))
    best, found = min(attempts, key=lambda attempt: (len(attempt[1]), attempt[0].iqr_ms / attempt[0].latency_ms))
    labels = [*found, *cautions(best, profile)]
    taken_of = {"layout": image.layout, "dtype": image.dtype}
    return best.model_copy(update={"stable": not found, "labels": tuple(labels), "attempts": number, **taken_of})


def job(profile: HardwareProfile, *, final: bool = False, per_layer: bool = False) -> dict[str, Any]:
    """What job.json says, for one unit of a target."""
    protocol = profile.protocol
    return {
        "format": FORMAT,
        "action": "measure",
        "backends": profile.backends,
        "tensorrt": profile.tensorrt,
        "settings": {**{name: getattr(profile, name) for name in SETTINGS}, "per_layer": per_layer},
        "plan": {field: getattr(protocol, field) for field in Plan._fields},
        "builds": protocol.final_builds if final else 1,
        "runs": protocol.final_runs if final else 1,
        "build_limit_s": protocol.build_limit_s,
        "silent_s": target_program.ASKER_SILENT_S,
        # One job's folder is nobody else's; a retry after a cut connection finds its engines there.
        "asked_by": uuid.uuid4().hex,
    }


def _files(
    onnx_path: Path, layout: Layout | None, profile: HardwareProfile, folder: Path
) -> tuple[dict[str, Path], ImageInput]:
    """What travels with a job, by its name there, and the image that the candidate takes."""
    size = profile.lr_height, profile.lr_width
    candidate = folder / "candidate.onnx"
    try:
        image = write_static(onnx_path, candidate, size, layout)
    except UsageError as error:
        raise MeasurementFailed("candidate", str(error)) from None
    files = {candidate.name: candidate, "reference.onnx": reference_onnx(*size)}
    if profile.precision == "fp16":
        for name, path in list(files.items()):
            half = name.replace(".onnx", "-fp16.onnx")
            write_fp16(path, folder / half)
            files[half] = folder / half
    return files, image


def _judged(
    runs: list[Measurement], profile: HardwareProfile, result: dict[str, Any], usual_reference_ms: float | None
) -> tuple[Measurement, list[str]]:
    """The measurement that a result's runs are, and what speaks against it: all that speaks against any of them."""
    found = dict.fromkeys(doubt for run in runs for doubt in doubts(run, profile, usual_reference_ms))
    if len(runs) == 1:
        return runs[0], list(found)
    repeats = tuple(
        Repeat(
            build=run["build"],
            run=run["run"],
            latency_ms=taken.latency_ms,
            reference_latency_ms=taken.reference_latency_ms,
        )
        for run, taken in zip(result["runs"], runs, strict=True)
    )
    middle = sorted(runs, key=lambda run: run.latency_ms)[len(runs) // 2]
    whole = middle.model_copy(update={"repeats": repeats})
    return whole, [*found, *spread_doubts(whole, profile.protocol)]


def _record(
    network: str,
    profile: HardwareProfile,
    reference: Path,
    result: dict[str, Any],
    run: dict[str, Any],
    beside: frozenset[int],
) -> Measurement:
    build = result["builds"][run["build"]]
    return Measurement(
        target=profile.name,
        backend=build["backend"],
        network=network,
        lr_height=profile.lr_height,
        lr_width=profile.lr_width,
        samples_ms=run["samples_ms"],
        reference_ms=run["reference_ms"],
        reference_after=run["reference_after"],
        stable=False,
        conditions=conditions(run["snapshots"], run.get("gpu"), beside),
        engine=build["candidate"],
        extra={name: value for name, value in run.items() if name not in _RUN_KEYS},
        protocol={
            **profile.protocol.model_dump(mode="json"),
            "precision": profile.precision,
            "reference": REFERENCE,
            "reference_file": file_digest(reference),
        },
        machine={**run["machine"], "session": build["session"]},
        versions={**build["versions"], "nas-sr": nas_sr.__version__},
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
