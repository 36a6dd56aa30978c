"""Which Optuna sampler proposes candidates: each by its name in a study's config."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas_sr.config import StudyConfig
from nas_sr.errors import unknown_name


def _tpe(config: StudyConfig, seed: int) -> BaseSampler:
    """The default: it learns from infeasible candidates too, which NSGA-II ignores.

    Of several families, each family's parameters are a group of their own.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group` alone: nothing that a user could do about it
        return TPESampler(seed=seed, multivariate=True, group=len(config.space) > 1, n_startup_trials=10)


def _nsga2(config: StudyConfig, seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=20)


def _random(config: StudyConfig, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


# Called with the study's config and a seed for the trials that follow.
SAMPLERS: dict[str, Callable[[StudyConfig, int], BaseSampler]] = {
    "tpe": _tpe,
    "nsga2": _nsga2,
    "random": _random,
}


def check_sampler(name: str) -> None:
    """Refuses a name that no sampler has.

    Raises:
        UsageError: unknown; the message lists the known ones, nearest first.
    """
    if name not in SAMPLERS:
        raise unknown_name("sampler", name, SAMPLERS)


def sampler(config: StudyConfig, trials: int) -> BaseSampler:
    """The sampler of a study that has so many trials.

    Optuna keeps no sampler's state: with the study's seed alone each continued search would draw what the one before it
    has drawn.

    Raises:
        UsageError: unknown; the message lists the known ones.
    """
    check_sampler(config.sampler)
    seed = random.Random(f"{config.seed} {trials}").getrandbits(32) if trials else config.seed
    return SAMPLERS[config.sampler](config, seed)
