"""Calibrations as files: reading, keeping, finding the one that belongs to a profile, and predicting from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nas_sr import shipped
from nas_sr.cache import cache_folder
from nas_sr.config import parse
from nas_sr.device_program.conditions import machine
from nas_sr.device_program.settings import Precision
from nas_sr.errors import UsageError
from nas_sr.files import write_json
from nas_sr.measure.device_facts import Facts
from nas_sr.predict.calibration_record import Calibration, digest, latencies
from nas_sr.predict.roofline import Roofline

if TYPE_CHECKING:
    from nas_sr.predict.predictor import Predictor

FORMAT = Calibration.model_fields["format"].default


class Profile(Protocol):
    """What of a hardware profile a calibration belongs to."""

    @property
    def name(self) -> str:
        """Of the target."""

    @property
    def bases(self) -> tuple[str, ...]:
        """Names of the profiles that it extends, nearest first."""

    @property
    def backends(self) -> tuple[str, ...]:
        """What may measure on it."""

    @property
    def precision(self) -> Precision:
        """Of features and weights."""

    @property
    def lr_height(self) -> int:
        """Of the input, LR pixels."""

    @property
    def lr_width(self) -> int:
        """Likewise."""

    @property
    def facts(self) -> Facts | None:
        """The device's peaks."""

    @property
    def device(self) -> str:
        """`cpu` where it is this machine's CPU."""

    def identity(self) -> dict[str, Any]:
        """What of the profile a latency depends on."""


def fit(calibration: Calibration) -> Predictor:
    """The predictor of a calibration's points; always the same one for the same points."""
    # SciPy's statistics and scikit-learn: 1.5 s in every process of a search, for which most searches have no use.
    from nas_sr.predict.predictor import Predictor

    # Where the source does not say, nothing ran faster than in FP16, and bytes are in proportion anyway.
    precision = calibration.precision or "fp16"
    known = latencies(calibration.points)
    return Predictor(
        target=calibration.target,
        source=calibration.source,
        digest=calibration.digest,
        specs=[point.spec for point in calibration.points],
        latencies_ms=known.milliseconds,
        roofline=Roofline(calibration.lr_height, calibration.lr_width, precision, calibration.facts),
        notes=calibration.notes,
        reference_ms=known.reference_ms,
    )


def read_calibration(path: Path) -> Calibration:
    """The calibration in a file.

    Raises:
        UsageError: unreadable, of another format, or not what a calibration must be.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable calibration: {error}") from None
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise UsageError(f"{path}: not a calibration of format {FORMAT} but {value.get('format')!r}")
    return parse(value, Calibration, str(path))


def write(path: Path, calibration: Calibration) -> None:
    """Keeps a calibration; what was there is replaced whole."""
    write_json(path, calibration.model_dump(mode="json"))


def own_path(profile: Profile, hw: str | None = None) -> Path:
    """Where a profile's calibration is kept: beside the user's own profile file, else in the user's data folder.

    Args:
        profile: the target.
        hw: the name or path that the profile was read from.
    """
    name = f"{profile.name}.calibration.json"
    is_file = hw is not None and hw.endswith((".yaml", ".yml")) and Path(hw).is_file()
    return Path(hw).with_name(name) if hw and is_file else cache_folder("calibrations") / name


def find(profile: Profile, hw: str | None = None) -> Calibration | None:
    """The calibration that is known for a profile: the user's own, else the shipped one if it fits; None without any.

    Raises:
        UsageError: the user's own is broken or belongs to something else; what, is said.
    """
    for path in dict.fromkeys([own_path(profile, hw), own_path(profile)]):
        if path.is_file():
            calibration = read_calibration(path)
            check(calibration, profile, path)
            return calibration
    for name in (profile.name, *profile.bases):
        path = shipped.folder("hw_profiles") / f"{name}.calibration.json"
        if path.is_file() and misfit(found := read_calibration(path), profile) is None:
            return found
    return None


def predictor(profile: Profile, hw: str | None = None) -> Predictor | None:
    """The predictor for a profile, if a calibration is known: see `find`."""
    calibration = find(profile, hw)
    if calibration is None:
        return None
    if calibration.profile_digest not in (None, profile_digest(profile)):
        doubt = "the hardware profile has changed since it was calibrated"
        calibration = calibration.model_copy(update={"notes": (*calibration.notes, doubt)})
    return fit(calibration)


def check(calibration: Calibration, profile: Profile, path: Path) -> None:
    """Refuses a calibration that says nothing about a profile.

    Raises:
        UsageError: with the reason.
    """
    reason = misfit(calibration, profile)
    if reason:
        raise UsageError(f"{path}: {reason}; calibrate again with `nas-sr hw calibrate`, or remove the file")


def misfit(calibration: Calibration, profile: Profile) -> str | None:
    """Why a calibration says nothing about a profile; None where it does."""
    same_device = calibration.target in profile.bases and calibration.facts == profile.facts
    if calibration.target != profile.name and not same_device:
        return f"calibrated for {calibration.target}, not {profile.name}"
    size, wanted = ((each.lr_width, each.lr_height) for each in (calibration, profile))
    if size != wanted:
        return f"calibrated at an LR size of {size[0]}x{size[1]}, and {profile.name} has {wanted[0]}x{wanted[1]}"
    if calibration.precision not in (None, profile.precision):
        return f"calibrated in {calibration.precision}, and {profile.name} runs {profile.precision}"
    if calibration.backend not in profile.backends:
        return f"calibrated with {calibration.backend}, and {profile.name} runs {' or '.join(profile.backends)}"
    if profile.device == "cpu" and calibration.machine:
        here = machine()
        for fact in ("cpu", "cores"):
            if calibration.machine.get(fact) != here[fact]:
                return f"calibrated on a machine with {fact} {calibration.machine.get(fact)}, and this is {here[fact]}"
    return None


def profile_digest(profile: Profile) -> str:
    """12 hex digits of what of a profile a latency depends on."""
    return digest(profile.identity())
