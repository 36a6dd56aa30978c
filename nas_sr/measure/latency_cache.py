"""A network is measured once on a target: measurements are kept and used again while nothing they depend on changes.

What is used again is the ratio to the reference network: the device may have been slower or faster then.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import ValidationError

from nas_sr.cache import cache_folder
from nas_sr.callbacks import Tell
from nas_sr.device_program.conditions import machine
from nas_sr.device_program.job import FORMAT
from nas_sr.digest import digest
from nas_sr.families.base import Spec
from nas_sr.files import write_json
from nas_sr.image_format import Layout
from nas_sr.measure.attempts import REFERENCE, Network, file_digest, measure, reference_onnx
from nas_sr.measure.device_lock import SharedDevice
from nas_sr.measure.inspection import backend_there, inspect_target, versions_here
from nas_sr.measure.measurement import Measurement
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.onnx_export import export_untrained
from nas_sr.measure.profile import HardwareProfile
from nas_sr.measure.stability import disturbances
from nas_sr.onnx_file import read_onnx
from nas_sr.onnx_input import image_input

# A usual time needs a few measurements, and old ones must not outvote a machine that has changed for good.
FEWEST_FOR_USUAL, MOST_FOR_USUAL = 3, 20


class Exported(AbstractContextManager["Exported"]):
    """The file of an untrained network that is timed, exported when it is first asked for, for all targets of one
    size."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._folder = tempfile.TemporaryDirectory(prefix="nas-sr-export-")

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def file(self, lr_height: int, lr_width: int) -> Path:
        """The file for one size.

        Raises:
            ExportError: the network cannot be exported.
        """
        path = Path(self._folder.name) / f"{lr_height}x{lr_width}.onnx"
        if not path.is_file():
            with SharedDevice("cpu"):  # exporting is work too, and another candidate may be being measured
                export_untrained(self.spec, path, (lr_height, lr_width))
        return path


def cached_or_measured(
    network: Spec | Exported,
    profile: HardwareProfile,
    *,
    final: bool = False,
    per_layer: bool = False,
    progress: Tell | None = None,
) -> Measurement:
    """The latency of a network on a target; taken now unless a stable one is known.

    Args:
        network: its weights do not matter. Whoever measures it on several targets exports it once.
        profile: the target.
        final: with the protocol's fresh builds and processes.
        per_layer: with the time of each layer; then it is always taken now.
        progress: is told what happens.

    Raises:
        MeasurementFailed, ExportError: no figure.
    """
    if isinstance(network, Spec):
        with Exported(network) as exported:
            return cached_or_measured(exported, profile, final=final, per_layer=per_layer, progress=progress)
    key = network.spec.digest
    known = None if per_layer else cached(key, profile, final=final)
    if known:
        return known
    path = network.file(profile.lr_height, profile.lr_width)
    return _measured_and_kept(key, path, profile, progress, final=final, per_layer=per_layer)


def measured_together(
    specs: Sequence[Spec], profile: HardwareProfile, progress: Tell | None = None
) -> list[Measurement]:
    """The latencies of networks that are run in turn, with the protocol's fresh builds and processes: always taken now.

    Raises:
        MeasurementFailed, ExportError: one of them cannot be measured.
    """
    with ExitStack() as stack:
        exported = [stack.enter_context(Exported(spec)) for spec in specs]
        networks = [Network(each.spec.digest, each.file(profile.lr_height, profile.lr_width)) for each in exported]
        usual = usual_reference_ms(profile)
        taken = measure(networks, profile, final=True, usual_reference_ms=usual, progress=progress)
    for each in taken:
        _keep(each, profile)
    return taken


def measured_reference(profile: HardwareProfile, progress: Tell | None = None) -> Measurement:
    """The reference network timed with care: run by run in turn with itself, in as many processes as a finalist."""
    careful = profile.protocol.model_copy(update={"reference_share": 1.0, "final_builds": 1})
    network = Network(REFERENCE, reference_onnx(profile.lr_height, profile.lr_width))
    return measure([network], profile.model_copy(update={"protocol": careful}), final=True, progress=progress)[0]


def cached_or_measured_file(
    path: Path,
    profile: HardwareProfile,
    *,
    layout: Layout | None = None,
    final: bool = False,
    per_layer: bool = False,
    progress: Tell | None = None,
) -> Measurement:
    """The latency of any ONNX file: at its own size where it fixes one, else at the profile's.

    Raises:
        UsageError: not an ONNX file that takes one RGB image, or its layout is neither said in the file nor given.
        MeasurementFailed: no figure.
    """
    model, content = read_onnx(path)
    image = image_input(model, str(path), layout)
    profile = profile.model_copy(
        update={"lr_height": image.height or profile.lr_height, "lr_width": image.width or profile.lr_width}
    )
    network = digest([content, image])  # what the same file is timed as depends on the layout, too
    known = None if per_layer else cached(network, profile, final=final)
    return known or _measured_and_kept(
        network, path, profile, progress, layout=image.layout, final=final, per_layer=per_layer
    )


def cached(network_digest: str, profile: HardwareProfile, *, final: bool = False) -> Measurement | None:
    """The stable measurement of a network that is known for this very target, if there is one."""
    known = _read(_target_folder(profile) / f"{network_digest}.json")
    enough = known and (not final or len(known.repeats) >= repeats_of_finalist(profile))
    return known if known and known.stable and enough else None


def repeats_of_finalist(profile: HardwareProfile) -> int:
    """How many repeats a final measurement has; 0 where the protocol asks for one run of one build."""
    runs = profile.protocol.final_builds * profile.protocol.final_runs
    return runs if runs > 1 else 0


def usual_reference_ms(profile: HardwareProfile) -> float | None:
    """What the reference network usually takes there: the median over the last measurements.

    Those during which others computed do not count, or quiet ones after them would look too fast. Those that are not
    stable for another reason do: a device that has changed for good is called unusual only for a while.

    None before there are enough of them.
    """
    measurements = [known for path in _target_folder(profile).glob("*.json") if (known := _read(path))]
    quiet = [known for known in measurements if not disturbances(known, profile)]
    latest = sorted(quiet, key=lambda known: known.measured_at)[-MOST_FOR_USUAL:]
    return median(known.reference_latency_ms for known in latest) if len(latest) >= FEWEST_FOR_USUAL else None


def _measured_and_kept(
    network_digest: str,
    path: Path,
    profile: HardwareProfile,
    progress: Tell | None,
    *,
    final: bool,
    per_layer: bool,
    layout: Layout | None = None,
) -> Measurement:
    usual = usual_reference_ms(profile)
    network = Network(network_digest, path, layout)
    (taken,) = measure(
        [network], profile, final=final, per_layer=per_layer, usual_reference_ms=usual, progress=progress
    )
    _keep(taken, profile)
    return taken


def _keep(taken: Measurement, profile: HardwareProfile) -> None:
    """For other studies too; what is not stable is kept for the usual reference only, and does not replace what is."""
    path = _target_folder(profile) / f"{taken.network}.json"
    known = _read(path)
    if taken.stable or known is None or not known.stable:
        write_json(path, taken.model_dump(mode="json"))


def _target_folder(profile: HardwareProfile) -> Path:
    """One folder for each set of everything but the network that a latency depends on."""
    identity = {
        "profile": profile.identity(),
        "target": device_there(profile),
        "reference": file_digest(reference_onnx(profile.lr_height, profile.lr_width)),
        "format": FORMAT,
    }
    return cache_folder("latency", f"{profile.name}-{digest(identity)}")


def device_there(profile: HardwareProfile) -> dict[str, Any]:
    """The machine, its GPU, and the versions of runtime and driver that are there, or that were there when the device
    last answered.

    Raises:
        MeasurementFailed: it does not answer and never has.
    """
    if profile.on_this_cpu:
        return _named(machine(), versions_here(profile))
    seen = cache_folder("targets") / f"{profile.name}-{digest([profile.identity(), profile.where])}.json"
    try:
        found = _asked(profile)
    except MeasurementFailed:
        if not seen.is_file():
            raise
        return json.loads(seen.read_text())
    if not seen.is_file() or json.loads(seen.read_text()) != found:
        write_json(seen, found)
    return found


@lru_cache
def _asked(profile: HardwareProfile) -> dict[str, Any]:
    """What a device answers once in each process; its software does not change during a search."""
    inspected = inspect_target(profile)
    versions = inspected["backends"][backend_there(profile, inspected)]["versions"]
    return {**_named(inspected["machine"], versions), "gpu": (inspected.get("gpu") or {}).get("facts")}


def _named(machine: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    return {"machine": {name: machine[name] for name in ("cpu", "cores", "architecture")}, "versions": versions}


def _read(path: Path) -> Measurement | None:
    try:
        return Measurement.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):  # never taken, or kept by a version with other records
        return None
