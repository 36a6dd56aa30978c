"""How far a candidate got and what became of it: values that cross process borders."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from nas_sr.families.base import Spec
from nas_sr.families.counts import Counts, counts
from nas_sr.latency import Latency


class Reached(NamedTuple):
    """A stage begun, or a validation inside `training`."""

    stage: Literal["latency", "training"]
    step: int = 0
    steps: int = 0
    psnr_db: float | None = None
    latencies_ms: tuple[float, ...] = ()


class Trained(NamedTuple):
    """What a longer training of a candidate, or one from a further seed, came to.

    Interrupted: nothing can be said; it is trained again. `note` says what a reader must know of a score.
    """

    state: Literal["trained", "failed", "interrupted"]
    seed: int
    steps: int
    psnr_db: float | None = None
    reason: str = ""
    note: str = ""


class Figures(NamedTuple):
    """What is known of a candidate on one target so far: what its objectives are read from."""

    spec: Spec
    psnr_db: float | None = None
    latency_ms: float | None = None
    latency: Latency | None = None
    figures: Mapping[str, float] = MappingProxyType({})

    @property
    def counts(self) -> Counts:
        """At a 256x256 LR input."""
        return counts(self.spec)


class Outcome(NamedTuple):
    """`psnr_db` is there when complete; `latencies_ms` has one figure a target when complete or pruned, else fewer.

    Pruned: it keeps every limit, and was not trained because it would surely be behind the front; `ahead` has, for each
    target, the trial that it is behind.
    Interrupted: the device is gone and nothing can be said; the candidate is to be proposed again.
    `reason` says why it is not complete or, when it is, what a reader must know of its figures.
    `values` holds what the sampler is told of a complete one, in the order of `objectives.columns`; empty stands for
    PSNR and the latencies. `excesses` has each limit but the latency's and by which share of it it is exceeded, 0 or
    less where it is not. `inherited_db` is the PSNR with a supernet's weights, where an evaluator takes both.
    """

    state: Literal["complete", "infeasible", "pruned", "failed", "interrupted"]
    psnr_db: float | None = None
    latencies_ms: tuple[float, ...] = ()
    reason: str = ""
    values: tuple[float, ...] = ()
    excesses: tuple[tuple[str, float], ...] = ()
    ahead: tuple[int, ...] = ()
    inherited_db: float | None = None

    @property
    def told(self) -> tuple[float, ...]:
        """What the sampler is told of a complete one."""
        if self.values:
            return self.values
        assert self.psnr_db is not None
        return (self.psnr_db, *self.latencies_ms)
