"""The model of long training: what it says of made-up trainings whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nas_sr.families.base import Spec
from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.counts import counts
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.rank_agreement import tau
from nas_sr.search import fidelity
from nas_sr.search.fidelity import FidelityModel, Score

RUNGS = (800, 2400, 8000)


def _specs(number: int) -> list[Spec]:
    random = np.random.default_rng(0)
    found: dict[str, Spec] = {}
    while len(found) < number:
        core, gidbs, depth = (int(random.integers(*bounds)) for bounds in ((1, 7), (3, 9), (2, 5)))
        spec = ImdeceptionSpec(core=4 * core, gidbs=gidbs, depth=depth, groups=int(2 ** random.integers(4)))
        found[spec.digest] = spec
    return list(found.values())


class World:
    """Networks whose long PSNR is known, and trainings that tell it more and more exactly."""

    def __init__(self, seed: int, number: int = 40) -> None:
        self.specs = _specs(number)
        self._random = np.random.default_rng(seed)
        cost = np.log([counts(spec).macs_g for spec in self.specs])
        own = self._random.normal(0, 0.03, number)
        passing = self._random.normal(0, 0.03, number)
        self._by_rung = {
            800: 26.2 + 0.03 * cost + own + passing,
            2400: 26.45 + 0.05 * cost + own + 0.5 * passing,
            8000: 26.6 + 0.08 * cost + own,
        }
        self._seeds = self._random.normal(0, 0.008, (number, 9))

    @property
    def truth_db(self) -> np.ndarray:
        return self._by_rung[8000]

    def score(self, network: int, seed: int, steps: int) -> Score:
        noise = self._random.normal(0, 0.01)
        return Score(network, seed, steps, float(self._by_rung[steps][network] + self._seeds[network, seed] + noise))


def test_standard_deviations_are_those_of_the_errors() -> None:
    """Of networks trained briefly, a few of them long, in twelve worlds. Relative to the mean, which orders nothing."""
    errors = []
    for seed in range(12):
        world = World(seed)
        scores = [world.score(network, 0, 800) for network in range(40)]
        scores += [world.score(network, 0, steps) for network in range(0, 40, 8) for steps in (2400, 8000)]
        found = FidelityModel(world.specs, scores).after(8000)
        error = found.mean_db - world.truth_db
        errors.append((error - error.mean()) / found.sd_db)
    spread = math.sqrt(float(np.mean(np.square(errors))))
    assert 0.7 < spread < 1.4
    assert 0.88 < float(np.mean(np.abs(errors) < 1.96)) <= 1.0


def test_longer_trainings_and_further_seeds_make_a_network_surer() -> None:
    world = World(0)
    scores = [world.score(network, 0, 800) for network in range(40)]
    sizes = FidelityModel(world.specs, scores).sizes

    def sd_db(*further: Score) -> float:
        return float(FidelityModel(world.specs, [*scores, *further], sizes).after(8000).sd_db[3])

    before, second_seed = sd_db(), sd_db(world.score(3, 1, 800))
    longer = sd_db(*(world.score(network, 0, 2400) for network in range(40)))
    longest = sd_db(*(world.score(network, 0, 8000) for network in range(40)))
    assert longest < longer < before
    assert second_seed < before


def test_expected_variance_is_that_which_a_training_leaves() -> None:
    world = World(1)
    scores = [world.score(network, 0, 800) for network in range(40)]
    model = FidelityModel(world.specs, scores)
    for network, seed, steps in [(0, 0, 2400), (5, 1, 800), (7, 0, 8000)]:
        after = FidelityModel(world.specs, [*scores, world.score(network, seed, steps)], model.sizes).after(8000)
        expected = model.variance_left(network, seed, steps, 8000)
        assert expected == pytest.approx(float(after.covariance[network, network]), rel=1e-5)


def test_scores_of_different_lengths_are_not_compared() -> None:
    """A network that was trained longer has a higher score, and is not the better for it."""
    world = World(2)
    world._by_rung[800][:] = world._by_rung[8000] - 0.4
    world._by_rung[2400][:] = world._by_rung[8000] - 0.2
    scores = [world.score(network, 0, 800) for network in range(40)]
    scores += [world.score(network, 0, steps) for network in (0, 1, 2, 3, 4) for steps in (2400, 8000)]
    found = FidelityModel(world.specs, scores).after(8000)
    assert float(np.mean(found.mean_db[:5] - world.truth_db[:5])) == pytest.approx(
        float(np.mean(found.mean_db[5:] - world.truth_db[5:])), abs=0.03
    )


def test_probability_of_being_better_is_that_of_draws() -> None:
    world = World(3)
    found = FidelityModel(world.specs, [world.score(network, 0, 800) for network in range(40)]).after(8000)
    drawn = found.drawn(4000, 0)
    for first, second in [(0, 1), (5, 30), (11, 12)]:
        assert found.better(first, second) == pytest.approx(
            float((drawn[:, first] > drawn[:, second]).mean()), abs=0.03
        )
        assert found.better(first, second) == pytest.approx(1 - found.better(second, first))


def test_two_families_and_a_single_score() -> None:
    specs: list[Spec] = [ImdeceptionSpec(core=8), CompactSpec(width=16, depth=4)]
    found = FidelityModel(specs, [Score(0, 0, 800, 26.3)]).after(8000)
    assert np.isfinite(found.mean_db).all()
    assert found.better(0, 1) == pytest.approx(0.5, abs=0.2)


def _of_source(world: World, rng: np.random.Generator, sd_db: float, source: str, level_db: float = 3.0) -> list[Score]:
    """Figures of every network that know its own lasting deviation, but neither its level nor the slope over cost."""
    cost = np.log([counts(spec).macs_g for spec in world.specs])
    values = world.truth_db - 0.3 * cost + level_db + rng.normal(0, sd_db, len(cost))
    return [Score(network, 0, 800, float(value), source) for network, value in enumerate(values)]


def test_inherited_scores_are_a_source_that_helps_and_whose_level_tells_nothing() -> None:
    """Beside brief trainings of all networks and long ones of a few; in four worlds."""
    with_it, without = [], []
    for seed in range(4):
        world = World(seed)
        scores = [world.score(network, 0, 800) for network in range(40)]
        scores += [world.score(network, 1, 8000) for network in range(0, 40, 5)]
        inherited = _of_source(world, np.random.default_rng(100 + seed), 0.02, "inherited")
        found = FidelityModel(world.specs, [*scores, *inherited]).after(8000)
        plain = FidelityModel(world.specs, scores).after(8000)
        assert float(found.mean_db.mean()) == pytest.approx(float(plain.mean_db.mean()), abs=0.03)
        with_it.append(tau(found.mean_db, world.truth_db))
        without.append(tau(plain.mean_db, world.truth_db))
    assert np.mean(with_it) > np.mean(without) + 0.02


def test_long_runs_say_how_much_an_inherited_score_is_worth() -> None:
    """One source knows the networks, the other is noise; after long trainings of a third of them the sizes tell."""
    world = World(0)
    scores = [world.score(network, 0, 800) for network in range(40)]
    scores += [world.score(network, seed, 8000) for network in range(0, 40, 3) for seed in (1, 2)]
    rng = np.random.default_rng(100)
    sure = FidelityModel(world.specs, [*scores, *_of_source(world, rng, 0.005, "inherited")]).sizes["inherited_db"]
    noisy = FidelityModel(world.specs, [*scores, *_of_source(world, rng, 0.08, "inherited")]).sizes["inherited_db"]
    assert sure < 0.02 < 0.05 < noisy


def test_before_long_runs_both_scores_count_the_same() -> None:
    """What cost does not explain moves the estimates as much in the inherited scores as in the brief ones."""
    world = World(4)
    brief = [world.score(network, 0, 800) for network in range(40)]
    inherited = [score._replace(source="inherited") for score in brief]
    sizes = fidelity._TYPICAL | {"inherited_db": fidelity._OF_SOURCE_DB}
    cost = np.column_stack([np.ones(40), fidelity.features(world.specs)[:, 0]])
    deviation = np.random.default_rng(0).normal(0, 0.03, 40)
    deviation -= cost @ np.linalg.lstsq(cost, deviation, rcond=None)[0]

    def moved(scores: list[Score]) -> list[Score]:
        return [score._replace(psnr_db=score.psnr_db + deviation[score.network]) for score in scores]

    def mean_db(scores: list[Score]) -> np.ndarray:
        return FidelityModel(world.specs, scores, sizes).after(8000).mean_db

    before = mean_db([*brief, *inherited])
    by_brief = (mean_db([*moved(brief), *inherited]) - before) @ deviation
    by_inherited = (mean_db([*brief, *moved(inherited)]) - before) @ deviation
    assert by_inherited == pytest.approx(by_brief, rel=0.25)
