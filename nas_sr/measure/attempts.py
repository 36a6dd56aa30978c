"""Takes latencies: the device alone, a fresh process for each attempt, and no figure without reasons against it."""

from __future__ import annotations

import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import nas_sr
from nas_sr.cache import cache_folder
from nas_sr.callbacks import Tell
from nas_sr.device_program.job import FORMAT
from nas_sr.device_program.protocol import Plan
from nas_sr.errors import UsageError
from nas_sr.families.presets import preset
from nas_sr.image_format import Layout
from nas_sr.measure import runner
from nas_sr.measure.device_lock import measuring, visitors
from nas_sr.measure.measurement import Measurement, Repeat
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.onnx_fp16 import write_fp16
from nas_sr.measure.onnx_static import write_static
from nas_sr.measure.profile import HardwareProfile
from nas_sr.measure.stability import conditions, instability_reasons, notes, spread_reasons
from nas_sr.onnx_input import ImageInput

# A member of the family, so that whatever slows candidates down slows it alike; the middle of the presets' costs, so
# that a fair number of its runs fit between those of the fastest and the slowest candidate.
REFERENCE = "imdeception-c8"
WAITING = "waiting for the device"
SETTINGS = ("lr_height", "lr_width", "precision", "threads", "workspace_mb", "optimization_level")
_SAMPLES = ("samples_ms", "reference_ms", "reference_after")


class Network(NamedTuple):
    """What is timed: `digest` is what its measurement is filed under; `onnx` takes one image, of the profile's LR size
    or of any (see onnx_input); `layout` is that of the image, where the file does not say it."""

    digest: str
    onnx: Path
    layout: Layout | None = None


def measure(
    networks: Sequence[Network],
    profile: HardwareProfile,
    *,
    final: bool = False,
    per_layer: bool = False,
    usual_reference_ms: float | None = None,
    progress: Tell | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Measurement]:
    """The latency of each network on a target, waiting for the device if need be.

    Several networks are run in turn, in the same processes, so that whatever the device does meanwhile it does to all
    of them: their order is that of one window. An unstable measurement is taken again up to `retries` times, after a
    pause with the device free. If none is stable, the one with the fewest reasons against it is returned with
    `stable=False` and those reasons as labels.

    Args:
        networks: one, or some to be compared with each other.
        profile: the target and its protocol.
        final: with the protocol's fresh builds and fresh processes, for networks that may be chosen.
        per_layer: with the time of each layer, afterwards, where the backend can tell.
        usual_reference_ms: what the reference network usually takes there, to notice a device that is slow today.
        progress: is told in a few words what happens.
        sleep: waits between two attempts.

    Raises:
        MeasurementFailed: with its kind.
    """
    tell = progress or (lambda text: None)
    units, retries, pause_s = profile.units, profile.protocol.retries, profile.protocol.retry_pause_s
    attempts: list[_Attempt] = []
    cut_off = False
    # Of all its attempts: one whose connection is cut finds its engines there.
    asked = job(profile, len(networks), final=final, per_layer=per_layer)
    with tempfile.TemporaryDirectory(prefix="nas-sr-job-") as folder:
        files, images = _files(networks, profile, Path(folder))
        for number in range(1, retries + 2):
            if number > 1:  # what disturbs is often gone after a while
                sleep(pause_s * 2 ** (number - 2))
            tell("measuring" + (f" again ({number} of {retries + 1} at most)" if number > 1 else ""))
            try:
                attempt = _attempt(networks, units, asked, files, usual_reference_ms, tell)
            except MeasurementFailed as failure:
                cut_off = cut_off or failure.kind == "transient"
                # A device that was there a moment ago may take its time to answer again.
                if cut_off and failure.kind != "candidate" and number <= retries:
                    tell(failure.text)
                    continue
                if failure.kind == "transient" and attempts:
                    break
                raise
            attempts.append(attempt)
            if not attempt.reasons:
                break
            tell("; ".join(attempt.reasons))
    best = min(attempts, key=lambda attempt: (len(attempt.reasons), attempt.spread))
    window = uuid.uuid4().hex[:12]
    return [
        taken.model_copy(
            update={
                "stable": not found,
                "labels": (*found, *notes(taken, profile)),
                "attempts": number,
                "window": window,
                "layout": image.layout,
                "dtype": image.dtype,
            }
        )
        for (taken, found), image in zip(best.networks, images, strict=True)
    ]


def reference_onnx(lr_height: int, lr_width: int) -> Path:
    """The fixed reference network at an LR size; exported once, then kept, so that it never changes on a machine."""
    path = cache_folder("reference") / f"{REFERENCE}-{lr_height}x{lr_width}.onnx"
    if not path.is_file():
        export_untrained(preset(REFERENCE), path, (lr_height, lr_width))
    return path


def file_digest(path: Path) -> str:
    """12 hex digits of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def job(profile: HardwareProfile, networks: int = 1, *, final: bool = False, per_layer: bool = False) -> dict[str, Any]:
    """What job.json says, for one unit of a target."""
    protocol = profile.protocol
    return {
        "format": FORMAT,
        "action": "measure",
        "backends": profile.backends,
        "tensorrt": profile.tensorrt,
        "settings": {**{name: getattr(profile, name) for name in SETTINGS}, "per_layer": per_layer},
        "plan": {field: getattr(protocol, field) for field in Plan._fields},
        "networks": networks,
        "builds": protocol.final_builds if final else 1,
        "runs": protocol.final_runs if final else 1,
        "build_limit_s": protocol.build_limit_s,
        "silent_s": runner.ASKER_SILENT_S,
        # One job's folder is nobody else's; a retry after a cut connection finds its engines there.
        "asked_by": uuid.uuid4().hex,
    }


class _Attempt(NamedTuple):
    """Each network's measurement and what speaks against it."""

    networks: list[tuple[Measurement, list[str]]]

    @property
    def reasons(self) -> list[str]:
        return list(dict.fromkeys(doubt for _taken, found in self.networks for doubt in found))

    @property
    def spread(self) -> float:
        return max(taken.spread for taken, _found in self.networks)


def _attempt(
    networks: Sequence[Network],
    units: list[HardwareProfile],
    asked: dict[str, Any],
    files: dict[str, Path],
    usual_reference_ms: float | None,
    tell: Tell,
) -> _Attempt:
    """One attempt on the first unit that is free. A unit that does not work is taken off the list; the last one's
    failure is raised."""
    while True:
        with measuring(*(unit.device for unit in units), when_waiting=lambda: tell(WAITING)) as index:
            unit = units[index]
            beside = frozenset() if unit.ssh else visitors(unit.device)
            try:
                result = runner.run(asked, files, unit, tell)
                break
            except MeasurementFailed as failure:
                if failure.kind != "device" or len(units) == 1:
                    raise
                tell(failure.text)
                del units[index]
    return _Attempt(
        [
            _judged(
                [
                    _record(network.digest, place, unit, files["reference.onnx"], result, run, beside)
                    for run in result["runs"]
                ],
                unit,
                result,
                usual_reference_ms,
            )
            for place, network in enumerate(networks)
        ]
    )


def _files(
    networks: Sequence[Network], profile: HardwareProfile, folder: Path
) -> tuple[dict[str, Path], list[ImageInput]]:
    """What travels with a job, by its name there, and the image that each network takes."""
    size = profile.lr_height, profile.lr_width
    files, images = {}, []
    for place, network in enumerate(networks):
        path = folder / f"candidate-{place}.onnx"
        try:
            images.append(write_static(network.onnx, path, size, network.layout))
        except UsageError as error:
            raise MeasurementFailed("candidate", str(error)) from None
        files[path.name] = path
    files["reference.onnx"] = reference_onnx(*size)
    if profile.precision == "fp16":
        for name, path in list(files.items()):
            half = name.replace(".onnx", "-fp16.onnx")
            write_fp16(path, folder / half)
            files[half] = folder / half
    return files, images


def _judged(
    runs: list[Measurement], profile: HardwareProfile, result: dict[str, Any], usual_reference_ms: float | None
) -> tuple[Measurement, list[str]]:
    """One network's measurement from its runs, and what speaks against it: all that speaks against any of them."""
    found = dict.fromkeys(doubt for run in runs for doubt in instability_reasons(run, profile, usual_reference_ms))
    if len(runs) == 1:
        return runs[0], list(found)
    repeats = tuple(
        Repeat(
            build=run["build"],
            run=run["run"],
            latency_ms=taken.raw_latency_ms,
            reference_latency_ms=taken.reference_latency_ms,
            relative_latency=taken.relative_latency,
        )
        for run, taken in zip(result["runs"], runs, strict=True)
    )
    middle = sorted(runs, key=lambda run: run.relative_latency)[len(runs) // 2]
    whole = middle.model_copy(update={"repeats": repeats})
    return whole, [*found, *spread_reasons(whole, profile.protocol)]


def _record(
    digest: str,
    place: int,
    profile: HardwareProfile,
    reference: Path,
    result: dict[str, Any],
    run: dict[str, Any],
    beside: frozenset[int],
) -> Measurement:
    """One network's part of a run; `place` is its place among those that were run in turn."""
    samples = run["networks"][place]
    build = result["builds"][run["build"] * len(run["networks"]) + place]
    return Measurement(
        target=profile.name,
        backend=build["backend"],
        network=digest,
        lr_height=profile.lr_height,
        lr_width=profile.lr_width,
        samples_ms=samples["samples_ms"],
        reference_ms=samples["reference_ms"],
        reference_after=samples["reference_after"],
        stable=False,
        conditions=conditions(run["snapshots"], run.get("gpu"), beside),
        engine=build["candidate"],
        extra={name: value for name, value in samples.items() if name not in _SAMPLES},
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
