"""What a race trains next, and that it finds a better front than the same steps without it."""

from __future__ import annotations

import numpy as np
import pytest

from nas_sr.search.fidelity import FidelityModel, Score
from nas_sr.search.racing import Costs, Run, front_probability, next_run, ties
from tests.search.test_fidelity import RUNGS, World


def _to_do(reached: int | None, wanted: int) -> int:
    return wanted - (reached or 0) // 2


def _costs(world: World, relative_sd: float = 0.01) -> Costs:
    latency_ms = np.array([[1.0 + index] for index in range(len(world.specs))])
    return Costs(latency_ms, np.full(latency_ms.shape, relative_sd))


def _model(scores: list[Score], world: World) -> FidelityModel:
    return FidelityModel(world.specs, scores)


def test_clear_members_and_clear_losers_are_not_trained_further() -> None:
    """By latency alone the first is on the front; the last is far worse than another one that is faster."""
    world = World(0)
    scores = [world.score(network, 0, steps) for network in range(40) for steps in RUNGS]
    scores[-3:] = [score._replace(psnr_db=score.psnr_db - 1.0) for score in scores[-3:]]
    model = _model(scores, world)
    probability = front_probability(model.after(8000), _costs(world))
    assert probability[0] > 0.9
    assert probability[-1] == 0
    trained = [{0: 800} for _ in range(40)]
    run = next_run(model, np.where(np.arange(40) == 39, probability, 0.0), trained, RUNGS, (0, 1), _to_do)
    assert run is None


def test_what_is_open_is_trained_longer_or_from_another_seed() -> None:
    world = World(1)
    model = _model([world.score(network, 0, 800) for network in range(40)], world)
    probability = np.zeros(40)
    probability[7] = 0.5
    trained: list[dict[int, int]] = [{0: 800} for _ in range(40)]
    chosen = next_run(model, probability, trained, RUNGS, (0, 1), _to_do)
    assert chosen in (Run(7, 0, 2400), Run(7, 1, 800))
    assert next_run(model, probability, trained, RUNGS, (0, 1), _to_do, running=[Run(7, 0, 2400)]) is None
    trained[7] = {0: 8000, 1: 8000}
    assert next_run(model, probability, trained, RUNGS, (0, 1), _to_do) is None
    trained[7] = {}
    assert next_run(model, probability, trained, RUNGS, (0, 1), _to_do) is None


def test_seed_that_failed_is_not_tried_again() -> None:
    world = World(1)
    model = _model([world.score(network, 0, 800) for network in range(40)], world)
    probability = np.zeros(40)
    probability[7] = 0.5
    trained: list[dict[int, int]] = [{0: 8000} for _ in range(40)]

    def chosen(*failed: tuple[int, int]) -> Run | None:
        return next_run(model, probability, trained, RUNGS, (0, 1, 2), _to_do, failed=failed)

    assert chosen() == Run(7, 1, 8000)
    assert chosen((7, 1)) == Run(7, 2, 8000)
    assert chosen((7, 1), (7, 2)) is None


def test_uncertain_latencies_make_membership_uncertain() -> None:
    world = World(2)
    model = _model([world.score(network, 0, steps) for network in range(40) for steps in RUNGS], world)
    close = np.linspace(1.0, 1.1, 40)[:, None]
    sharp = front_probability(model.after(8000), Costs(close, np.full(close.shape, 1e-4)))
    blurred = front_probability(model.after(8000), Costs(close, np.full(close.shape, 0.1)))
    assert (blurred * (1 - blurred)).sum() > (sharp * (1 - sharp)).sum()


def test_ties_are_pairs_whose_order_is_open() -> None:
    world = World(3)
    scores = [world.score(network, 0, 800) for network in range(40)]
    open_pairs = ties(_model(scores, world).after(8000), _costs(world), [0, 1, 2])
    sure = [score._replace(psnr_db=score.psnr_db + 0.5 * score.network, steps=8000) for score in scores]
    assert len(open_pairs) > 0
    assert not ties(_model([*scores, *sure], world).after(8000), _costs(world), [0, 1, 2])


@pytest.mark.parametrize("steps_to_spend", [40_000])
def test_race_loses_less_than_more_seeds_for_everyone(steps_to_spend: int) -> None:
    """Regret: by how much the best network within a latency is better than the best one chosen, over all latencies."""

    def regret_db(world: World, chosen: np.ndarray) -> float:
        best = np.maximum.accumulate(world.truth_db)
        believed = [int(np.argmax(chosen[: last + 1])) for last in range(len(chosen))]
        return float(np.mean(best - world.truth_db[believed]))

    raced, evenly = [], []
    for seed in range(4):
        world = World(seed)
        scores = [world.score(network, 0, 800) for network in range(40)]
        everyone = [*scores]
        for further in range(1, 1 + steps_to_spend // (800 * 40)):
            everyone += [world.score(network, further, 800) for network in range(40)]
        evenly.append(regret_db(world, _model(everyone, world).after(8000).mean_db))
        trained: list[dict[int, int]] = [{0: 800} for _ in range(40)]
        left, sizes = steps_to_spend, None
        while True:
            model = FidelityModel(world.specs, scores, sizes)
            sizes = sizes or model.sizes
            probability = front_probability(model.after(8000), _costs(world, 1e-4))
            run = next_run(model, probability, trained, RUNGS, (0, 1, 2), _to_do)
            if run is None or (left := left - _to_do(trained[run.candidate].get(run.seed), run.steps)) < 0:
                break
            trained[run.candidate][run.seed] = run.steps
            scores.append(world.score(run.candidate, run.seed, run.steps))
        raced.append(regret_db(world, FidelityModel(world.specs, scores).after(8000).mean_db))
    assert float(np.mean(raced)) < 0.7 * float(np.mean(evenly))
