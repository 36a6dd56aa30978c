"""Calibrates a target: measures the most telling networks of a space one by one, and keeps each at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from nas_sr.callbacks import Tell
from nas_sr.config import Config
from nas_sr.errors import WorkError
from nas_sr.families.base import Spec
from nas_sr.families.registry import SpecField
from nas_sr.files import write_json
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.predict.calibration import Profile, own_path, profile_digest, write
from nas_sr.predict.calibration_record import (
    FEWEST_POINTS,
    Calibration,
    CrossValidation,
    Omitted,
    Point,
    latencies,
)
from nas_sr.predict.design_points import choose_design_points
from nas_sr.predict.predictor import Predictor
from nas_sr.predict.regression import folds
from nas_sr.predict.roofline import Roofline
from nas_sr.space import Space

PROBES = 20

Measure = Callable[[Spec], Measurement]


class Taken(Config):
    """One network and its measurement."""

    spec: SpecField
    measurement: Measurement


class Unfinished(Config):
    """What an interrupted calibration has measured: NAME.calibration.part.json."""

    profile_digest: str
    taken: tuple[Taken, ...] = ()


def calibrate(
    profile: Profile,
    space: Space,
    n: int = PROBES,
    *,
    measure: Measure,
    progress: Tell | None = None,
    path: Path | None = None,
) -> Calibration:
    """Measures `n` networks of a space on a target, keeps the calibration and returns it.

    Interrupted, it goes on where it was. An unstable measurement is taken again after all others; a network that stays
    unstable, or that cannot be measured on the target, is left out and named.

    Args:
        profile: the target.
        space: the networks that predictions will be asked for.
        n: how many to measure.
        measure: takes one latency.
        progress: is told in a few words what happens.
        path: the file; see `calibration.own_path` for where it is looked for.

    Raises:
        MeasurementFailed: the device does not work; what was measured is kept.
        WorkError: fewer than five networks could be measured, or not all with one backend.
    """
    path = path or own_path(profile)
    tell = progress or (lambda text: None)
    roofline = Roofline(profile.lr_height, profile.lr_width, profile.precision, profile.facts)
    specs = choose_design_points(space, n, roofline)
    part = path.with_suffix(".part.json")
    taken, omitted = _measured(specs, measure, part, profile_digest(profile), tell)
    if len(taken) < FEWEST_POINTS:
        reasons = "; ".join(dict.fromkeys(each.reason for each in omitted))
        raise WorkError(
            f"only {len(taken)} of {n} networks could be measured, and a calibration needs {FEWEST_POINTS}: {reasons}"
        )
    backends = sorted({each.measurement.backend for each in taken})
    if len(backends) > 1:
        raise WorkError(f"measured with {' and '.join(backends)}: name one of them in the profile's backends")
    calibration = _calibration(profile, roofline, taken, omitted)
    write(path, calibration)
    part.unlink(missing_ok=True)
    return calibration


def cross_validated(points: Sequence[Point], roofline: Roofline) -> CrossValidation:
    """How well points are predicted by calibrations that do not have them, interval and all."""
    specs, measured = [point.spec for point in points], latencies(points).milliseconds
    make = functools.partial(Predictor, target="", source="", digest="", roofline=roofline)
    inside = 0
    for part in folds(len(points)):
        kept = [index for index in range(len(points)) if index not in part]
        predictor = make(specs=[specs[i] for i in kept], latencies_ms=[measured[i] for i in kept])
        predicted = {index: predictor.predict(specs[index]) for index in part}
        inside += sum(each.low_ms <= measured[index] <= each.high_ms for index, each in predicted.items())
    return CrossValidation(**make(specs=specs, latencies_ms=measured).errors._asdict(), coverage=inside / len(points))


def _measured(
    specs: Sequence[Spec], measure: Measure, part: Path, profile_digest: str, tell: Tell
) -> tuple[list[Taken], list[Omitted]]:
    """The measurements of the networks, those of an earlier call included, and the networks without one."""
    known = {each.spec.digest: each for each in _unfinished(part, profile_digest)}
    taken = [known[spec.digest] for spec in specs if spec.digest in known]
    if taken:
        tell(f"{len(taken)} of {len(specs)} networks were measured before")
    omitted: dict[str, Omitted] = {}
    waiting = [spec for spec in specs if spec.digest not in known]
    for attempt in ("measuring", "measuring again"):
        again = []
        for spec in waiting:
            tell(f"{attempt}: {spec.label()} ({len(taken) + 1} of {len(specs)})")
            found, reason, transient = _taken(spec, measure)
            if found is not None:
                taken.append(found)
                omitted.pop(spec.digest, None)
                value = Unfinished(profile_digest=profile_digest, taken=tuple(taken))
                write_json(part, value.model_dump(mode="json"))
                continue
            tell(f"left out: {spec.label()}: {reason}")
            omitted[spec.digest] = Omitted(spec=spec, reason=reason)
            again += [spec] if transient else []
        waiting = again
    return taken, list(omitted.values())


def _taken(spec: Spec, measure: Measure) -> tuple[Taken | None, str, bool]:
    """A stable measurement, else None, why, and whether it may come out otherwise later."""
    try:
        measurement = measure(spec)
    except MeasurementFailed as failure:
        if failure.kind == "device":
            raise
        return None, failure.text, failure.kind == "transient"
    if not measurement.stable:
        return None, f"not stable: {'; '.join(measurement.labels)}", True
    return Taken(spec=spec, measurement=measurement), "", False


def _unfinished(part: Path, profile_digest: str) -> tuple[Taken, ...]:
    """What was measured with this very profile; nothing where the file is missing or broken."""
    try:
        unfinished = Unfinished.model_validate_json(part.read_bytes())
    except (OSError, ValidationError):
        return ()
    return unfinished.taken if unfinished.profile_digest == profile_digest else ()


def _calibration(
    profile: Profile, roofline: Roofline, taken: Sequence[Taken], omitted: Sequence[Omitted]
) -> Calibration:
    points = tuple(
        Point(
            spec=each.spec,
            latency_ms=each.measurement.raw_latency_ms,
            relative_latency=each.measurement.relative_latency,
            reference_latency_ms=each.measurement.reference_latency_ms,
            measured_at=each.measurement.measured_at,
        )
        for each in taken
    )
    last = taken[-1].measurement
    reference_ms = latencies(points).reference_ms
    notes = [
        "points are ratios to the reference network that ran in between, times its median over the calibration"
        f" ({reference_ms:.4g} ms): the device's drift is taken out"
    ]
    if omitted:
        wanted = len(taken) + len(omitted)
        notes.append(f"{len(omitted)} of {wanted} networks could not be measured, or not stably, and are left out")
    return Calibration(
        target=profile.name,
        source="measured here",
        lr_height=profile.lr_height,
        lr_width=profile.lr_width,
        precision=profile.precision,
        backend=last.backend,
        facts=profile.facts,
        points=points,
        omitted=tuple(omitted),
        cross_validation=cross_validated(points, roofline),
        notes=tuple(notes),
        machine=last.machine,
        versions=last.versions,
        profile_digest=profile_digest(profile),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
