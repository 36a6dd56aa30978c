"""What a sampler cannot search: said when a study begins, with the reason and what can."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import optuna
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    CmaEsSampler,
    GPSampler,
    GridSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
)
from optuna.study import StudyDirection
from optuna.trial import TrialState

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.families.counts import counts
from nas_sr.objectives import all_named, columns
from nas_sr.search.samplers import SAMPLERS, named_sampler, said, sampler
from nas_sr.space import SearchSpace

_REHEARSED, _REHEARSAL_S = 60, 5.0  # proposals, of which most samplers draw the first 10 to 50 at random; seconds


class _Limit(NamedTuple):
    kinds: tuple[type[BaseSampler], ...]
    holds: Callable[[StudyConfig], bool]
    reason: str


def _several_families(config: StudyConfig) -> bool:
    return len(config.space) > 1


_LIMITS = (
    _Limit(
        (CmaEsSampler,),
        lambda config: True,
        "it has one objective, no limits and no categories, and a study has two objectives at least",
    ),
    _Limit((GridSampler, BruteForceSampler), lambda config: True, "it ends a study by itself, with its list"),
    _Limit(
        (GPSampler,),
        _several_families,
        "it models parameters that every candidate has; of several families it would draw all but the family at random",
    ),
    _Limit(
        (QMCSampler,),
        _several_families,
        "its sequence is over the parameters of the first candidate; those of other families it would draw at random",
    ),
    _Limit(
        (NSGAIISampler, NSGAIIISampler),
        _several_families,
        "it crosses parameters that every parent has; of several families it would draw all but the family at random",
    ),
)


def refuse_unable(config: StudyConfig, space: SearchSpace) -> None:
    """Refuses a sampler that cannot search what a study asks for. One by import path is tried on made-up values.

    Raises:
        UsageError: why not, and which samplers can.
    """
    kind = named_sampler(config.sampler).kind
    if reason := _unable(kind, config):
        raise UsageError(f"sampler {config.sampler} cannot search this: {reason}; {_able(config)} can")
    if ":" in config.sampler:
        _rehearse(config, space)


def _unable(kind: type[BaseSampler], config: StudyConfig) -> str:
    """Why a sampler cannot search what a study asks for; nothing where it can."""
    return next((each.reason for each in _LIMITS if issubclass(kind, each.kinds) and each.holds(config)), "")


def _able(config: StudyConfig) -> str:
    return ", ".join(name for name, found in SAMPLERS.items() if not _unable(found.kind, config))


def _rehearse(config: StudyConfig, space: SearchSpace) -> None:
    """Asks a sampler for candidates and tells it values made of their multiply-accumulates, some over the limits.

    Raises:
        UsageError: with what the sampler said.
    """
    told = columns(all_named(config.objectives), len(config.hw))
    directions = [StudyDirection.MAXIMIZE if each.objective.maximise else StudyDirection.MINIMIZE for each in told]
    constrained = bool(config.limits or config.max_latency_ms)
    limit_g, end = 0.0, time.monotonic() + _REHEARSAL_S
    try:
        study = optuna.create_study(directions=directions, sampler=sampler(config, 0))
        for number in range(_REHEARSED):
            if number > 1 and time.monotonic() > end:
                break
            trial = study.ask()
            try:
                macs_g = counts(space.spec(space.suggest(trial, config.ordered_parameters))).macs_g
            except UsageError:  # a combination that cannot be built
                study.tell(trial, state=TrialState.PRUNED)
                continue
            limit_g = limit_g or macs_g
            if constrained:
                trial.set_constraint("made up", macs_g - limit_g)
            if constrained and macs_g > limit_g:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, [math.log(macs_g) if each.objective.maximise else macs_g for each in told])
    except UsageError:
        raise
    except Exception as error:  # of a class that may be anybody's
        raise UsageError(f"sampler {config.sampler} cannot search this: {said(error)}; {_able(config)} can") from None
