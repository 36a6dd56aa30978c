"""What a search relies on from every sampler, over the real search spaces; values told are made of a network's size.

A sampler that has a name is held to it, and one of Optuna's by its import path.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler, CmaEsSampler
from optuna.trial import TrialState

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.families.base import Spec
from nas_sr.families.counts import counts
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.sampler_limits import refuse_unable
from nas_sr.search.samplers import SAMPLERS, sampler
from nas_sr.search.store import StudyStore
from nas_sr.space import SearchSpace, read_spaces

BY_PATH = "optuna.samplers:NSGAIIISampler"
NAMES = [*SAMPLERS, BY_PATH]
# So that they are past what they draw at random within a few candidates.
SOON: dict[str, dict[str, int]] = {
    "tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 4},
    "nsga2": {"population_size": 3},
    BY_PATH: {"population_size": 3},
}
AT_RANDOM = ("gp", "qmc", "nsga2", BY_PATH)  # what would draw the parameters of several families
ONE, TWO = ("imdeception_x4",), ("imdeception_x4", "compact_x4")
TARGETS = ("cpu", "rtx2080")
LIMIT_MS = 15.0  # about two in three random networks keep it
CANDIDATES = 8


def _config(name: str, **fields: object) -> StudyConfig:
    fields = {"sampler": name, "sampler_options": SOON.get(name, {}), **fields}
    return StudyConfig.model_validate(fields)


@functools.cache
def _space(names: tuple[str, ...]) -> SearchSpace:
    """Without its presets, which every study begins with."""
    space = read_spaces(names)
    object.__setattr__(space, "presets", dict)
    return space


def _outcome(spec: Spec, limit_ms: float | None, targets: int) -> Outcome:
    latency_ms = counts(spec).macs_g
    if limit_ms is not None and latency_ms > limit_ms:
        return Outcome("infeasible", None, (latency_ms,) * targets, "over the limit")
    return Outcome("complete", 25 + math.log(latency_ms) / 3, (latency_ms,) * targets)


def _searched(store: StudyStore, space: SearchSpace, candidates: int, limit_ms: float | None = None) -> list[Spec]:
    """The networks of the study once it has so many candidates with an outcome."""
    proposals = Proposals(store, space)
    while proposals.evaluated < candidates:
        proposal = proposals.ask()
        assert proposal
        proposals.tell(proposal.number, _outcome(proposal.spec, limit_ms, len(store.config.hw)))
    return [spec for _, (spec, _) in sorted(proposals.outcomes.items())]


@functools.cache
def _once(folder: Path, name: str, seed: int) -> list[Spec]:
    return _searched(
        StudyStore.create(folder / f"{name} {seed}", _config(name, seed=seed), {}), _space(ONE), CANDIDATES
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samplers")


@pytest.mark.parametrize("name", NAMES)
def test_study_of_the_same_seed_proposes_the_same_and_of_another_seed_others(
    name: str, folder: Path, tmp_path: Path
) -> None:
    first = _once(folder, name, 0)
    store = StudyStore.create(tmp_path / "study", _config(name), {})
    assert _searched(store, _space(ONE), CANDIDATES) == first
    assert len({spec.digest for spec in _once(folder, name, 1)} & {spec.digest for spec in first}) <= 2


@pytest.mark.parametrize("name", NAMES)
def test_continued_study_draws_nothing_again_and_is_reproducible(name: str, tmp_path: Path) -> None:
    found = []
    for study in ("one", "again"):
        StudyStore.create(tmp_path / study, _config(name), {})
        begun = []
        for candidates in range(2, CANDIDATES + 1, 3):  # as if killed after each three
            store = StudyStore.open(tmp_path / study)
            begun.append(len(store.study.trials))
            specs = _searched(store, _space(ONE), candidates)
        drawn = [tuple(trial.params.items()) for trial in StudyStore.read(tmp_path / study).study.trials]
        assert len({tuple(drawn[first : first + 2]) for first in begun}) == len(begun)
        found.append((specs, drawn))
    assert found[0] == found[1]


def test_quasi_random_sequence_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    StudyStore.create(tmp_path / "study", _config("qmc"), {})
    for candidates in (3, 5, CANDIDATES):
        specs = _searched(StudyStore.open(tmp_path / "study"), _space(ONE), candidates)
    assert specs == _once(folder, "qmc", 0)


@pytest.mark.parametrize("name", NAMES)
def test_one_objective_is_searched_too(name: str) -> None:
    made, space = sampler(_config(name), 0), _space(ONE)
    study = optuna.create_study(direction="maximize", sampler=made)
    for _ in range(CANDIDATES):
        trial = study.ask()
        spec = space.spec(space.suggest(trial))
        study.tell(trial, math.log(counts(spec).macs_g))
    assert len(study.trials) == CANDIDATES


@pytest.mark.parametrize("name", NAMES)
def test_three_objectives_with_limits_on_two_targets(name: str, tmp_path: Path) -> None:
    config = _config(name, hw=TARGETS, max_latency_ms=(LIMIT_MS, LIMIT_MS))
    refuse_unable(config, _space(ONE))
    store = StudyStore.create(tmp_path / "study", config, {})
    specs = _searched(store, _space(ONE), CANDIDATES, LIMIT_MS)
    assert len({spec.digest for spec in specs}) == CANDIDATES
    states = {trial.state for trial in store.study.trials}
    assert {TrialState.COMPLETE, TrialState.PRUNED} >= states


@pytest.mark.parametrize("name", NAMES)
def test_several_families_are_searched_or_refused_with_what_can(name: str, tmp_path: Path) -> None:
    config = _config(name, space=TWO)
    if name not in AT_RANDOM:
        refuse_unable(config, _space(TWO))
        specs = _searched(StudyStore.create(tmp_path / "study", config, {}), _space(TWO), 12)
        assert {spec.family for spec in specs} == {"imdeception", "compact"}
    else:
        with pytest.raises(UsageError, match=r"cannot search this: .*at random; tpe, random.* can$"):
            refuse_unable(config, _space(TWO))


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_what_learns_from_infeasible_candidates_keeps_the_limit_in_the_end(name: str, tmp_path: Path) -> None:
    """One random network in four keeps this one."""
    limit_ms = 6.0
    config = _config(name, max_latency_ms=limit_ms, sampler_options={"n_startup_trials": 4 if name == "gp" else 10})
    store = StudyStore.create(tmp_path / "study", config, {})
    specs = _searched(store, _space(ONE), 24, limit_ms)
    kept = [counts(spec).macs_g <= limit_ms for spec in specs]
    assert sum(kept[-6:]) >= 4


class Stubborn(BaseSampler):
    """Fails after some candidates, as one may that needs something nas-sr does not give."""

    def __init__(self, *, seed: int = 0, share: float = 0.5) -> None:
        self.share = share

    def infer_relative_search_space(self, study, trial):  # type: ignore[no-untyped-def]
        return {}

    def sample_relative(self, study, trial, search_space):  # type: ignore[no-untyped-def]
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):  # type: ignore[no-untyped-def]
        if len(study.trials) > 5:
            raise ValueError("five candidates are all I can bear")
        return (
            param_distribution.to_external_repr(0) if hasattr(param_distribution, "choices") else param_distribution.low
        )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("optuna.samplers:CmaEsSampler", "one objective.*tpe, nsga2, gp, qmc, random.* can"),
        ("optuna.samplers:BruteForceSampler", "ends a study by itself"),
        (f"{__name__}:Stubborn", "ValueError: five candidates are all I can bear; tpe, nsga2, gp, qmc, random.* can"),
    ],
)
def test_sampler_by_path_that_cannot_search_is_refused_when_a_study_begins(path: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        refuse_unable(_config(path), _space(ONE))


def test_optuna_still_has_what_cma_es_is_refused_for() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=CmaEsSampler(seed=0))
    number = {"x": optuna.distributions.IntDistribution(0, 9)}
    with pytest.raises(ValueError, match="multi-objective"):
        study.ask(number)
