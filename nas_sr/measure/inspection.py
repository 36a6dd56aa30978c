"""What is really on a target, and where that is not what its profile says."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from nas_sr.device_program.backends import RUNTIMES, first_usable, wrong_version
from nas_sr.device_program.failure_kinds import Failure
from nas_sr.device_program.gpu import HARMLESS
from nas_sr.measure import runner
from nas_sr.measure.attempts import job
from nas_sr.measure.device_lock import measuring
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import HardwareProfile

_CLOCKS_DIFFER_S, _LITTLE_DISK_GB = 5.0, 1.0
_CLOCK_TOLERANCE = 0.02


def inspect_target(profile: HardwareProfile, when_waiting: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """What is there: `machine`, `gpu` (facts and reading, None without one), `backends` (versions or what each
    lacks), `python`, `free_disk_gb`, `clock_skew_s`. Looking is work: a measurement on the device is waited for.

    Args:
        profile: of several units, the first that answers.
        when_waiting: is called if a measurement must be waited for.

    Raises:
        MeasurementFailed: nothing answers there.
    """
    failures = []
    for unit in profile.units:
        try:
            with measuring(unit.device, when_waiting=when_waiting):
                return _inspected(unit)
        except MeasurementFailed as failure:
            failures.append(failure)
    raise failures[0]


def _inspected(unit: HardwareProfile) -> dict[str, Any]:
    protocol = unit.protocol
    for number in range(protocol.retries):
        try:
            return _asked(unit)
        except MeasurementFailed as failure:
            if failure.kind != "transient":
                raise
            time.sleep(protocol.retry_pause_s * 2**number)
    return _asked(unit)


def _asked(unit: HardwareProfile) -> dict[str, Any]:
    asked_s = time.time()
    inspected: dict[str, Any] = runner.run({**job(unit), "action": "inspect"}, {}, unit)
    inspected.pop("ok")
    # The program read its clock between question and answer; what lies outside is skew.
    behind_s, ahead_s = inspected["unix_time_s"] - asked_s, inspected["unix_time_s"] - time.time()
    inspected["clock_skew_s"] = round(min(behind_s, 0) + max(ahead_s, 0), 1)
    return inspected


def backend_there(profile: HardwareProfile, found: dict[str, Any]) -> str:
    """The backend that will measure on the device that an inspection found.

    Raises:
        MeasurementFailed: of kind device: none of the profile's can be used there, or it is another device.
    """
    lacks = {name: lack(profile, found, name) for name in profile.backends}
    usable = [name for name, text in lacks.items() if text is None]
    where = f"{profile.name} ({profile.where})"
    if not usable:
        raise MeasurementFailed("device", f"{where}: {'; '.join(map(str, lacks.values()))}")
    strange = _other_device(profile, found)
    if strange:
        raise MeasurementFailed("device", f"{where}: {strange}; name the right one with `ssh:` in a profile of yours")
    return usable[0]


def versions_here(profile: HardwareProfile) -> dict[str, str]:
    """Versions of the runtime that measures on this machine's CPU, which this process loads to ask it.

    Raises:
        MeasurementFailed: of kind device: none of the profile's can be used; how to get one is said.
    """
    try:
        _name, module = first_usable(list(profile.backends))
    except Failure as failure:
        remedies = " or ".join(RUNTIMES[name].install for name in profile.backends)
        raise MeasurementFailed("device", f"{profile.name} ({profile.where}): {failure.text}: {remedies}") from None
    # Python's and numpy's are in the record, but no runtime computes with them.
    return {name: version for name, version in module.versions().items() if name not in ("python", "numpy")}


def lack(profile: HardwareProfile, found: dict[str, Any], backend: str) -> str | None:
    """Why a backend cannot measure for a profile on the device that an inspection found; None where it can."""
    there = found["backends"][backend]
    return there.get("lacks") or wrong_version(backend, there["versions"], profile.tensorrt)


def differences(profile: HardwareProfile, found: dict[str, Any]) -> list[str]:
    """Where a device is not as its profile says, or not fit to be measured on; each with its remedy if there is one."""
    try:
        used = backend_there(profile, found)
    except MeasurementFailed as failure:
        texts = [failure.text]
    else:  # what was passed over for its version is worth a word; what is not installed is not
        before = profile.backends[: profile.backends.index(used)]
        texts = [str(lack(profile, found, name)) for name in before if "versions" in found["backends"][name]]
    texts += _clocks(profile, found.get("gpu") or {})
    if abs(found["clock_skew_s"]) > _CLOCKS_DIFFER_S:
        texts.append(f"its clock is {found['clock_skew_s']:+g} s off; no figure depends on it")
    if found["free_disk_gb"] < _LITTLE_DISK_GB:
        texts.append(f"only {found['free_disk_gb']:g} GB of disk are free")
    return texts


def _other_device(profile: HardwareProfile, found: dict[str, Any]) -> str | None:
    if profile.facts is None:
        return None
    gpu = (found.get("gpu") or {}).get("facts") or {}
    name, capability = gpu.get("name"), gpu.get("compute_capability")
    if capability is not None and profile.facts.compute_capability not in (None, capability):
        return f"its GPU is {name} of compute capability {capability}, not {profile.facts.compute_capability}"
    if profile.gpu is not None and name is not None and profile.gpu.lower() not in name.lower():
        return f"its GPU is {name}, not {profile.gpu}"
    return None


def _clocks(profile: HardwareProfile, gpu: dict[str, Any]) -> list[str]:
    if profile.clocks is None:
        return []
    facts, reading = gpu.get("facts") or {}, gpu.get("reading") or {}
    texts = []
    mode, wanted = facts.get("power_mode"), profile.clocks.power_mode
    if mode is not None and wanted is not None and mode != wanted:
        texts.append(f"its power mode is {mode}, not {wanted}: {profile.clocks.lock}")
    pairs = (("GPU", "sm_clock_mhz", profile.clocks.gpu_mhz), ("memory", "memory_clock_mhz", profile.clocks.memory_mhz))
    for what, key, mhz in pairs:
        is_mhz = reading.get(key)
        if mhz is not None and is_mhz is not None and abs(is_mhz / mhz - 1) > _CLOCK_TOLERANCE:
            texts.append(f"its {what} clock is {is_mhz:g} MHz, not {mhz} MHz (idle clocks fall): {profile.clocks.lock}")
    slowed = [reason for reason in reading.get("throttle") or () if reason not in HARMLESS]
    if slowed:
        texts.append(f"it is throttled: {', '.join(slowed)}")
    return texts
