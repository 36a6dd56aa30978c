"""Which Optuna sampler proposes candidates: by a name in a study's config, or by import path; and its options."""

from __future__ import annotations

import importlib
import inspect
import random
import warnings
from collections.abc import Callable
from typing import NamedTuple

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError, unknown_name
from nas_sr.search.constrained_gp import ConstrainedGPSampler

Option = bool | int | float | str | None


class Sampler(NamedTuple):
    """What a name stands for."""

    kind: type[BaseSampler]  # its keyword arguments but `seed` are its options
    options: Callable[[StudyConfig], dict[str, Option]] = lambda config: {}  # unless others are given


def _tpe(config: StudyConfig) -> dict[str, Option]:
    """Of several families, each family's parameters are a group of their own."""
    return {"multivariate": True, "group": len(config.space) > 1, "n_startup_trials": 10}


SAMPLERS: dict[str, Sampler] = {
    "tpe": Sampler(TPESampler, _tpe),  # the default: it learns from infeasible candidates too, which NSGA-II ignores
    "nsga2": Sampler(NSGAIISampler, lambda config: {"population_size": 20}),
    "gp": Sampler(ConstrainedGPSampler),
    "qmc": Sampler(QMCSampler, lambda config: {"scramble": True}),  # else every seed has the same sequence
    "random": Sampler(RandomSampler),
}


def check_sampler(config: StudyConfig) -> None:
    """Refuses what is no sampler, and options that it does not have.

    Raises:
        UsageError: says what is allowed.
    """
    sampler(config, 0)


def sampler(config: StudyConfig, trials: int) -> BaseSampler:
    """The sampler of a study that has so many trials.

    Optuna keeps no sampler's state: with the study's seed alone each continued search would draw what the one before it
    has drawn.

    Raises:
        UsageError: no such sampler (the known ones are listed), or options that it does not have.
    """
    found = named_sampler(config.sampler)
    allowed = _options(found.kind)
    for name, value in config.sampler_options.items():
        if name not in allowed:
            raise unknown_name(f"option of sampler {config.sampler}", name, allowed)
        _check_option(config.sampler, name, value, allowed[name])
    return _made(config, found, _seed(config, found.kind, trials))


def named_sampler(name: str) -> Sampler:
    """What a name or an import path stands for.

    Raises:
        UsageError: nothing, or it cannot be imported, or it is no Optuna sampler.
    """
    if ":" in name:
        return Sampler(_imported(name))
    if name not in SAMPLERS:
        raise UsageError(f"{unknown_name('sampler', name, SAMPLERS)}, or an Optuna sampler as MODULE:CLASS")
    return SAMPLERS[name]


def said(error: Exception) -> str:
    """An error of somebody else's code in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _seed(config: StudyConfig, kind: type[BaseSampler], trials: int) -> int:
    # Where a quasi-random sequence goes on is in the journal, under its seed: with another one it would begin anew.
    if not trials or issubclass(kind, QMCSampler):
        return config.seed
    return random.Random(f"{config.seed} {trials}").getrandbits(32)


def _made(config: StudyConfig, found: Sampler, seed: int) -> BaseSampler:
    options = {**found.options(config), **config.sampler_options}
    if "seed" in inspect.signature(found.kind).parameters:
        options["seed"] = seed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # nothing that a user could do about it
            return found.kind(**options)
    except Exception as error:  # of a class that may be anybody's
        raise UsageError(f"sampler {config.sampler} refuses its options: {said(error)}") from None


def _imported(path: str) -> type[BaseSampler]:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:  # a module may fail in any way while it is imported
        raise UsageError(
            f"sampler {path}: {said(error)}; MODULE:CLASS must be a class that this Python can import"
        ) from None
    if not (isinstance(found, type) and issubclass(found, BaseSampler)):
        raise UsageError(f"sampler {path}: not a class of optuna.samplers.BaseSampler, but {found!r}")
    return found


_SCALARS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "None": (type(None),),
}


def _options(kind: type[BaseSampler]) -> dict[str, str]:
    """The keyword arguments that one plain value can be given for, with their types; "" where that is not said."""
    found = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name == "seed" or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        of = parameter.annotation
        text = "" if of is parameter.empty else of if isinstance(of, str) else inspect.formatannotation(of)
        if all(part in _SCALARS or part.startswith("Literal[") for part in _parts(text)):
            found[name] = text
    return found


def _parts(annotation: str) -> list[str]:
    return [part.strip() for part in annotation.split("|")] if annotation else []


def _check_option(sampler_name: str, name: str, value: Option, annotation: str) -> None:
    parts = _parts(annotation)
    fits = not parts or any(
        isinstance(value, _SCALARS.get(part, (str,))) and (not isinstance(value, bool) or part == "bool")
        for part in parts
    )
    if not fits:
        raise UsageError(f"option {name} of sampler {sampler_name} must be {annotation}, but got {value!r}")
