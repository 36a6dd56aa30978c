"""What a search can trade: name, unit, direction and source of each objective. A new one is an entry and a function.

`value` reads a trial: a `TrialRecord` on one of its targets, or a candidate as far as it got. An objective that
follows from the deployed graph also has `graph`: a search exports the network once, calls it, and keeps the figure in
the trial under the objective's name, where `value` finds it. Limits hold for any objective; one that the network alone
decides (`known` is "network") is checked before anything is measured or trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.backends.base import CPU
from nas_sr.errors import UsageError, unknown_name
from nas_sr.quantities import hundredths

if TYPE_CHECKING:
    from nas_sr.families.counts import Counts
    from nas_sr.measure.profile import HardwareProfile
    from nas_sr.onnx_memory import Graph


Stage = Literal["network", "measurement", "training"]  # of a candidate, in their order
STAGES: tuple[Stage, ...] = get_args(Stage)


class Timed(Protocol):
    """A latency, measured or predicted, as far as objectives read it."""

    @property
    def energy_mj(self) -> float | None:
        """For one frame; None where nothing read the power."""


class Evaluated(Protocol):
    """What an objective's value is read from: a trial on one target, finished or not."""

    @property
    def counts(self) -> Counts:
        """At a 256x256 LR input."""

    @property
    def psnr_db(self) -> float | None:
        """On the study's validation pixels; None before it is trained."""

    @property
    def latency_ms(self) -> float | None:
        """Measured or predicted; None before either."""

    @property
    def latency(self) -> Timed | None:
        """Where that comes from."""

    @property
    def figures(self) -> Mapping[str, float]:
        """What follows from the deployed graph, by objective."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One quantity to make as large or as small as can be."""

    name: str  # with its unit, as everywhere: in configs, on the command line, in columns and keys
    title: str  # as a reader calls it
    unit: str
    direction: Literal["maximise", "minimise"]
    known: Stage  # the stage of a candidate from which on it is known
    value: Callable[[Evaluated], float | None]  # None: the trial does not have it (yet)
    per_target: bool = False  # whether a trial has a value for each target
    format: str | Callable[[float], str] = ".4g"  # of a value, as in an f-string or by a function
    graph: Callable[[Graph], float] | None = None  # computes it from the deployed graph
    refusal: Callable[[HardwareProfile], str | None] = lambda profile: None  # why a target cannot give it

    @property
    def maximise(self) -> bool:
        """Whether more is better."""
        return self.direction == "maximise"

    @property
    def heading(self) -> str:
        """The title as it begins a line or heads a column."""
        return self.title[:1].upper() + self.title[1:]

    @property
    def axis(self) -> str:
        """Title and unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title

    def text(self, value: float | None) -> str:
        """A value with its unit."""
        if value is None:
            return "none"
        text = self.format(value) if callable(self.format) else f"{value:{self.format}}"
        return f"{text} {self.unit}".rstrip()

    def excess(self, value: float, limit: float) -> float:
        """How far a value is on the wrong side of a limit; 0 or less is within."""
        return limit - value if self.maximise else value - limit


def _kept(name: str) -> Callable[[Evaluated], float | None]:
    return lambda trial: trial.figures.get(name)


def _energy_mj(trial: Evaluated) -> float | None:
    return None if trial.latency is None else trial.latency.energy_mj


def _no_power_sensor(profile: HardwareProfile) -> str | None:
    on_cpu = RUNTIMES[profile.backends[0]].device == CPU
    return "its runtime computes on the CPU, whose power nothing reads" if on_cpu else None


def _memory_mb(graph: Graph) -> float:
    from nas_sr.onnx_memory import peak_activation_bytes

    return peak_activation_bytes(graph) / 1e6


def _weights_mb(graph: Graph) -> float:
    from nas_sr.onnx_memory import weight_bytes

    return weight_bytes(graph) / 1e6


PSNR = Objective(
    name="psnr_db",
    title="PSNR",
    unit="dB",
    direction="maximise",
    known="training",
    value=lambda trial: trial.psnr_db,
    format=".3f",
)
LATENCY = Objective(
    name="latency_ms",
    title="latency",
    unit="ms",
    direction="minimise",
    known="measurement",
    per_target=True,
    value=lambda trial: trial.latency_ms,
    format=hundredths,
)
_OTHERS = (
    Objective(
        name="energy_mj",
        title="energy",
        unit="mJ",
        direction="minimise",
        known="measurement",
        per_target=True,
        value=_energy_mj,
        refusal=_no_power_sensor,
    ),
    Objective(
        name="memory_mb",
        title="memory",
        unit="MB",
        direction="minimise",
        known="network",
        per_target=True,
        value=_kept("memory_mb"),
        graph=_memory_mb,
    ),
    Objective(
        name="weights_mb",
        title="weights",
        unit="MB",
        direction="minimise",
        known="network",
        per_target=True,
        value=_kept("weights_mb"),
        graph=_weights_mb,
    ),
    Objective(
        name="params",
        title="parameters",
        unit="",
        direction="minimise",
        known="network",
        value=lambda trial: trial.counts.params,
        format=",.0f",
    ),
    Objective(
        name="macs_g",
        title="MACs",
        unit="G",
        direction="minimise",
        known="network",
        value=lambda trial: trial.counts.macs_g,
    ),
    Objective(
        name="activations_m",
        title="activations",
        unit="M",
        direction="minimise",
        known="network",
        value=lambda trial: trial.counts.activations_m,
    ),
)

OBJECTIVES = {each.name: each for each in (PSNR, LATENCY, *_OTHERS)}
DEFAULT = (PSNR, LATENCY)
SEPARATOR = "="


def named(name: str) -> Objective:
    """The objective of that name.

    Raises:
        UsageError: none such; the known ones are listed.
    """
    if name not in OBJECTIVES:
        raise unknown_name("objective", name, OBJECTIVES)
    return OBJECTIVES[name]


def all_named(names: Iterable[str]) -> tuple[Objective, ...]:
    """The objectives of these names, in their order."""
    return tuple(map(named, names))


def maximised(objectives: Sequence[Objective]) -> tuple[bool, ...]:
    """Of each, whether more is better: what `nas_sr.pareto` asks for."""
    return tuple(each.maximise for each in objectives)


def point(trial: Evaluated, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """A trial's values in the order of the objectives; NaN for one that it does not have."""
    values = (each.value(trial) for each in objectives)
    return tuple(float("nan") if value is None else float(value) for value in values)


class Column(NamedTuple):
    """One value of a trial among those of all targets."""

    objective: Objective
    target: int  # place of the target; 0 where the value is the same on all


def columns(objectives: Sequence[Objective], targets: int) -> tuple[Column, ...]:
    """What a sampler is told of each trial, in order: an objective that depends on the target once for each of them."""
    return tuple(
        Column(each, target) for each in objectives for target in (range(targets) if each.per_target else (0,))
    )


def exceeded(
    trial: Evaluated,
    limits: Mapping[str, float],
    where: str = "",
    known: Iterable[Stage] = STAGES,
) -> str:
    """Why limits rule a trial out; nothing where they do not. A value that is not known rules nothing out.

    Args:
        trial: on one target.
        limits: by objective.
        where: the target's name.
        known: stages whose objectives are looked at.
    """
    reasons = []
    for name, limit in limits.items():
        objective = named(name)
        value = objective.value(trial)
        if objective.known in known and value is not None and objective.excess(value, limit) > 0:
            on = f" on {where}" if objective.per_target and where else ""
            side = "under" if objective.maximise else "over"
            reasons.append(f"{name} of {objective.text(value)}{on} is {side} the limit of {objective.text(limit)}")
    return "; ".join(reasons)


def parse_limits(texts: Iterable[str]) -> dict[str, float]:
    """`memory_mb=64` and the like, by objective.

    Raises:
        UsageError: not of that form, an unknown objective (the known ones are listed), or twice the same.
    """
    limits: dict[str, float] = {}
    for text in texts:
        name, separator, value = text.partition(SEPARATOR)
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not separator or not number > 0 or number == float("inf"):
            raise UsageError(
                f"--limit must be NAME=VALUE with a number above 0, such as memory_mb=64, but got '{text}'"
            )
        if named(name.strip()).name in limits:
            raise UsageError(f"--limit {name.strip()} is given twice")
        limits[name.strip()] = number
    return limits


def refuse_missing(wanted: Iterable[str], profile: HardwareProfile) -> None:
    """Refuses objectives and limits that a target cannot give.

    Raises:
        UsageError: says which, why, and what can be had there.
    """
    for name in wanted:
        why = named(name).refusal(profile)
        if why:
            others = ", ".join(each.name for each in OBJECTIVES.values() if not each.refusal(profile))
            raise UsageError(f"{profile.name} cannot give {name}: {why}; it gives {others}")
