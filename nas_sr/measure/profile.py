"""What is measured on, from hw_profiles/*.yaml: a target's facts, how it is reached, the rules of measuring there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_sr import shipped
from nas_sr.config import Config, Positive, Share, parse
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.backends.base import CPU
from nas_sr.device_program.settings import Precision
from nas_sr.errors import UsageError, unknown_name
from nas_sr.measure.device_facts import Facts
from nas_sr.yaml_file import load_yaml

Seconds = Annotated[float, Field(gt=0)]
Tolerance = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class Protocol(Config):
    """How samples are taken and when they are believed. Warm-up and window last until both their limits are reached."""

    warmup_s: Seconds
    warmup_iterations: Positive
    seconds: Seconds = Field(description="length of the sampling window")
    iterations: Positive = Field(description="samples of the candidate in the window, at least")
    reference_share: Share = Field(
        description="most time spent on the reference network, as a share of the candidate's"
    )
    max_foreign_cpu: Tolerance = Field(description="cores' worth of CPU time others may use during the window")
    max_iqr: Tolerance = Field(
        description="largest distance between the quartiles of the ratios to the reference, as a share of their median"
    )
    max_cov: Tolerance | None = Field(None, description="largest coefficient of variation; null: recorded, not judged")
    max_halves: Tolerance = Field(
        description="largest change of the median ratio from the window's first half to its second"
    )
    max_reference_drift: Tolerance = Field(description="largest distance of the reference network from its usual time")
    max_run_spread: Tolerance = Field(0.015, description="largest distance between the runs of a finalist")
    retries: Count = Field(description="times an unstable measurement is taken again")
    retry_pause_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="pause before the first retry, twice as long before each further one"
    )
    limit_s: Seconds = Field(description="one run is ended after this time")
    build_limit_s: Seconds = Field(300, description="one engine build is ended after this time")
    final_builds: Positive = Field(1, description="fresh builds of a network on the front, when a search ends")
    final_runs: Positive = Field(1, description="fresh processes for each of them")

    @model_validator(mode="after")
    def _window_fits_limit(self) -> Protocol:
        needed = self.warmup_s + self.seconds * (1 + self.reference_share)
        if needed > self.limit_s:
            raise ValueError(f"limit_s must leave time for warm-up and window ({needed:g}), but got {self.limit_s:g}")
        return self


class Clocks(Config):
    """What the device's clocks must be for a figure that can be repeated, and how they are brought there."""

    gpu_mhz: Positive | None = None
    memory_mhz: Positive | None = None
    power_mode: str | None = Field(None, description="as nvpmodel calls it")
    lock: str = Field(description="the commands that set them; they need root and are for a person to run")


class Ssh(Config):
    """A device reached by OpenSSH, with the user's own ssh configuration; its host key must be known already."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:%-]*$", description="HOST or USER@HOST")]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    key: str | None = Field(None, description="path of a private key")
    jump: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:,%-]*$")] | None = None
    known_hosts: str | None = Field(None, description="path of a file of host keys besides the user's own")
    python: str = Field("python3", description="Python >= 3.8 on the device")
    folder: str = Field("~/.cache/nas-sr-target", description="working folder on the device")

    @property
    def where(self) -> str:
        """The host, and its port where that is not the usual one."""
        return self.host + (f":{self.port}" if self.port else "")


class HardwareProfile(Config):
    """One target: what it is, how it is reached, and how its latency is taken, at which LR input size (batch 1)."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    title: str
    bases: tuple[str, ...] = Field((), description="names of the profiles it extends, nearest first; found, not given")
    backends: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="the first that can be used on the device measures"
    )
    precision: Precision = Field("fp32", description="of weights and arithmetic; no backend takes another in silence")
    lr_height: Positive
    lr_width: Positive
    threads: Positive | Literal["physical"] = Field("physical", description="of the CPU; physical: one a core")
    workspace_mb: Positive = 1024
    optimization_level: Annotated[int, Field(ge=0, le=5)] = 3
    tensorrt: tuple[str, ...] = Field((), description="beginnings of the TensorRT versions to measure with; empty: any")
    gpu: str | None = Field(None, description="what the GPU's own name must contain")
    facts: Facts | None = None
    clocks: Clocks | None = None
    ssh: tuple[Ssh, ...] = Field(
        (), description="how the device is reached; several of one kind share the work; none: it is this machine"
    )
    protocol: Protocol

    @field_validator("backends")
    @classmethod
    def _known_and_of_one_device(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in RUNTIMES:
                raise ValueError(str(unknown_name("backend", name, RUNTIMES)))
        if len({RUNTIMES[name].device for name in names}) > 1:
            where = ", ".join(f"{name} occupies {RUNTIMES[name].device}" for name in names)
            raise ValueError(f"must occupy one device, but {where}: write a profile for each device")
        return names

    @field_validator("ssh", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(value)
        return (value,) if isinstance(value, dict) else value or ()

    @field_validator("threads", mode="before")
    @classmethod
    def _number_or_physical(cls, value: Any) -> Any:
        # pydantic reports a value that fits no member of a union once for each member.
        if value != "physical" and not (type(value) is int and value >= 1):
            raise ValueError("must be a number of threads, at least 1, or 'physical'")
        return value

    def identity(self) -> dict[str, Any]:
        """What of a profile a figure depends on: not its title, nor how the device is reached."""
        return self.model_dump(mode="json", exclude={"title", "ssh", "bases"})

    def frozen(self) -> dict[str, Any]:
        """What a study keeps of a profile: all but how the device is reached, which may change."""
        return self.model_dump(mode="json", exclude={"ssh"})

    @property
    def units(self) -> list[HardwareProfile]:
        """This profile for each single device that it reaches."""
        return [self.model_copy(update={"ssh": (each,)}) for each in self.ssh] or [self]

    @property
    def device(self) -> str:
        """The device that one measurement has to itself (of a single unit): see device_lock."""
        return self.where if self.ssh else RUNTIMES[self.backends[0]].device

    @property
    def on_this_cpu(self) -> bool:
        """Whether it is the CPU that this process itself runs on."""
        return not self.ssh and self.device == CPU

    @property
    def where(self) -> str:
        """Where the device is, for messages."""
        return ", ".join(each.where for each in self.ssh) or "this machine"


def profile(name_or_path: str) -> HardwareProfile:
    """The profile of a shipped name or of a user's own file, which may extend another by its name or path.

    Raises:
        UsageError: no such profile (the shipped ones are listed, nearest first), or a wrong key in it.
    """
    path = shipped.find("hw_profiles", name_or_path)
    return parse(_resolved(path, ()), HardwareProfile, str(path))


def _resolved(path: Path, below: tuple[Path, ...]) -> Any:
    """The keys of a file laid over those of the file it extends; a section's keys are laid over one by one."""
    path = path.resolve()
    if path in below:
        raise UsageError(f"{path}: extends itself, by way of {' and '.join(str(each) for each in below)}")
    own = load_yaml(path)
    if not isinstance(own, dict) or "extends" not in own:
        return own
    base_name = str(own.pop("extends"))
    beside = path.parent / base_name
    base = _resolved(beside if beside.is_file() else shipped.find("hw_profiles", base_name), (*below, path))
    bases = [base.get("name"), *base.get("bases", ())] if isinstance(base, dict) else []
    return {**_laid_over(base, own), "bases": bases}


def _laid_over(base: Any, own: Any) -> Any:
    if isinstance(base, dict) and isinstance(own, dict):
        return {**base, **{key: _laid_over(base.get(key), value) for key, value in own.items()}}
    return own
