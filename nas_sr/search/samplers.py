"""Which Optuna sampler proposes candidates."""

from __future__ import annotations

import random

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas_sr.config import StudyConfig


def sampler(config: StudyConfig, trials: int) -> BaseSampler:
    """The sampler of a study that has so many trials.

    Optuna keeps no sampler's state: with the study's seed alone each continued search would draw what the one before it
    has drawn. TPE is the default: it learns from infeasible candidates too, which NSGA-II ignores. Of several
    families, each family's parameters are a group of their own.
    """
    seed = random.Random(f"{config.seed} {trials}").getrandbits(32) if trials else config.seed
    if config.sampler == "tpe":
        return TPESampler(seed=seed, multivariate=True, group=len(config.space) > 1, n_startup_trials=10)
    if config.sampler == "nsga2":
        return NSGAIISampler(seed=seed, population_size=20)
    return RandomSampler(seed=seed)
