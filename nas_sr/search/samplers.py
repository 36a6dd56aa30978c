"""Which Optuna sampler proposes candidates."""

from __future__ import annotations

from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler

from nas_sr.config import StudyConfig


def sampler(config: StudyConfig) -> BaseSampler:
    """The sampler of a study, seeded by its config.

    TPE is the default: it learns from infeasible candidates too, which NSGA-II ignores.
    """
    if config.sampler == "tpe":
        return TPESampler(seed=config.seed, multivariate=True, n_startup_trials=10)
    if config.sampler == "nsga2":
        return NSGAIISampler(seed=config.seed, population_size=20)
    return RandomSampler(seed=config.seed)
