"""Searches replayed on a table whose figures are known: what they believe, what that costs, what they spent."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import optuna
import pytest
import yaml

from nas_sr.benchmark.protocol import Protocol
from nas_sr.benchmark.regret import Judge, long_truth, ranked_by_cost
from nas_sr.benchmark.repetitions import Replays, Way, bands
from nas_sr.benchmark.replay import RecordedSpace
from nas_sr.benchmark.table import About, LatencyRow, Row, Table
from nas_sr.benchmark.tabular import OptunaObjective, blackbox
from nas_sr.errors import UsageError
from nas_sr.families.counts import counts
from nas_sr.space import read_space, read_spaces
from tests.search.quick import answered

_SEEDS, _STEPS = (0, 1), (200, 800, 2400)
_SPACES = {
    "imdeception": {"parameters": {"core": [4, 8, 12, 16], "gidbs": [3, 4, 5, 6], "groups": [1, 4]}},
    "compact": {"family": "compact", "parameters": {"width": {"low": 8, "high": 64, "step": 8}, "depth": [2, 4, 8]}},
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Of 56 networks, every one trained from two seeds: PSNR follows cost, a merit of each network, and noise."""
    folder = tmp_path_factory.mktemp("table")
    for name, space in _SPACES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(space))
    spaces = {str(folder / f"{name}.yaml"): 32 for name in _SPACES}
    specs = list(read_spaces(tuple(spaces)).architectures.items())
    space = read_spaces(tuple(spaces))
    draw, rows, latencies = np.random.default_rng(0), [], []
    networks = [space.spec(params) for _, params in specs]
    for spec in networks:
        macs_g = counts(spec).macs_g
        merit_db = 0.05 * draw.standard_normal()
        latencies.append(
            LatencyRow(spec.digest, "cpu", "onnxruntime", "fp32", macs_g**0.9, 40 * macs_g**0.9, 40.0, 0.1, True)
        )
        for seed, steps in itertools.product(_SEEDS, _STEPS):
            noise_db = (0.01 + 8 / steps) * draw.standard_normal()
            psnr_db = 26.5 + 0.15 * np.log(macs_g) + merit_db + 0.1 * np.log(steps / 800) + noise_db
            rows.append(Row(spec.digest, "scratch", seed, steps, float(psnr_db), 0.1, 10.0))
        rows.append(Row(spec.digest, "supernet", 0, 0, float(psnr_db), None, 0.0))
    protocol = Protocol(spaces=spaces, largest_macs_g=1e3, steps=_STEPS, seeds=_SEEDS, long_steps=(8000,))
    return Table(About(protocol, {}, {}), networks, rows, latencies)


@pytest.fixture(scope="module")
def replays(table: Table) -> Replays:
    return Replays(table, "cpu")


def test_regret_is_what_the_user_of_a_limit_loses() -> None:
    judge = Judge({"a": 26.0, "b": 26.2, "c": 26.1}, {"a": 1.0, "b": 2.0, "c": 4.0})
    assert judge.regret_db({"a": 1.0, "b": 2.0, "c": 0.0}) == 0
    assert judge.regret_db({"a": 1.0, "b": 2.0}) == 0
    assert judge.regret_db({"a": 1.0, "b": 2.0, "c": 3.0}) == pytest.approx(0.1 * (1 / 200), abs=1e-9)
    # b is never chosen: half of the limits, those from 2 to 4, get a.
    assert judge.regret_db({"a": 1.0}) == pytest.approx(0.1, abs=0.002)
    # Nothing is known under limits from 1 to 2: as the worst of all.
    assert judge.regret_db({"b": 1.0}) == pytest.approx(0, abs=1e-9)
    assert judge.regret_db({"c": 1.0}) == pytest.approx(0.1, abs=0.002)


def test_hypervolume_is_of_true_figures_on_the_believed_front() -> None:
    judge = Judge({"a": 26.0, "b": 26.2, "c": 26.4}, {"a": 1.0, "b": 2.0, "c": 4.0})
    assert judge.hypervolume_share({"a": 1.0, "b": 2.0, "c": 3.0}) == pytest.approx(1)
    assert judge.hypervolume_share({"a": 3.0, "b": 2.0, "c": 1.0}) < 0.25  # a alone, which is the worst
    assert 0 < judge.hypervolume_share({"a": 1.0, "b": 2.0}) < 1


def test_truth_is_the_mean_of_seeds_where_they_are_many(table: Table) -> None:
    truth = long_truth(table)
    assert truth.steps == 2400
    assert truth.measured == table.specs.keys()
    for digest in table.specs:
        mean = np.mean([table.rows[digest, "scratch", seed, 2400].psnr_db for seed in _SEEDS])
        assert truth.mean_db[digest] == pytest.approx(mean, abs=0.03)


def test_everything_evaluated_without_noise_leaves_no_regret(table: Table) -> None:
    truth = long_truth(table)
    exact = [row._replace(psnr_db=truth.mean_db[row.digest]) for row in table.rows.values()]
    replays = Replays(Table(table.about, table.specs.values(), exact, table.latencies.values()), "cpu", truth)
    curve = replays.curve(Way("random", 800, budget=1000), 0, [800, 8000])
    last = curve[-1]
    assert (last.candidates, last.steps) == (len(table.specs), 800 * len(table.specs))
    assert last.seconds == pytest.approx(last.steps * 0.01)
    assert last.regret_db == pytest.approx(0, abs=1e-12)
    assert last.hypervolume == pytest.approx(1)
    assert [point.steps for point in curve[:2]] == [800, 8000]
    assert curve[0].regret_db > curve[1].regret_db > last.regret_db


def test_proposal_stands_for_a_network_of_its_family_and_a_recorded_one_for_itself(table: Table) -> None:
    whole = read_spaces(tuple(table.about.protocol.spaces))
    recorded = list(table.specs.values())
    one_each = [next(spec for spec in recorded if spec.family == family) for family in ("imdeception", "compact")]
    few, all_of_them = RecordedSpace(whole, one_each), RecordedSpace(whole, recorded)
    for digest, params in whole.architectures.items():
        assert few.spec(params).family == whole.spec(params).family
        assert all_of_them.spec(params).digest == digest


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_repetition_is_the_same_again_and_another_one_differs(replays: Replays, sampler: str) -> None:
    way = Way(sampler, 800, budget=15)
    first, again, other = (replays.curve(way, repetition, []) for repetition in (1, 1, 2))
    assert first == again
    assert first != other
    assert first[-1].candidates == 15


def test_racing_spends_its_steps_and_not_more(replays: Replays) -> None:
    way = Way("random", 200, (200, 800, 2400), budget=20, budget_steps=30_000)
    last = replays.curve(way, 0, [])[-1]
    assert last.candidates == 20
    assert 20 * 200 < last.steps <= 30_000
    without = replays.curve(Way("random", 200, budget=20), 0, [])[-1]
    assert without.steps == 20 * 200


def test_longer_trainings_lower_regret(replays: Replays) -> None:
    def mean(way: Way) -> float:
        return float(np.mean([replays.curve(way, repetition, [])[-1].regret_db for repetition in range(4)]))

    noisy = mean(Way("random", 200, budget=30))
    assert mean(Way("random", 200, (200, 800, 2400), budget=30, budget_steps=30_000)) < noisy
    assert mean(Way("random", 2400, budget=30)) < noisy


def test_inherited_scores_cost_no_steps(replays: Replays) -> None:
    last = replays.curve(Way("random", evaluator="supernet", budget=56), 0, [])[-1]
    assert last.steps == 0
    assert last.candidates == 56


def test_what_was_not_recorded_is_refused(table: Table, replays: Replays) -> None:
    with pytest.raises(UsageError, match="of 400 steps from seed 0 and cpu"):
        replays.curve(Way("random", 400), 0, [])
    with pytest.raises(UsageError, match="from scratch of 800 steps from seed 0 and xavier"):
        Replays(table, "xavier").curve(Way("random"), 0, [])
    with pytest.raises(UsageError, match="racing with 3 seeds needs as many, but got 2"):
        replays.curve(Way("random", 200, (200, 800), seeds=3), 0, [])


def test_bands_are_of_the_last_point_until_then(replays: Replays) -> None:
    curves = [replays.curve(Way("random", 800, budget=10), repetition, [800, 4000]) for repetition in range(3)]
    first, last = bands(curves, [800, 8000])
    assert (first.steps, last.steps) == (800, 8000)
    assert last.regret_db == pytest.approx(np.mean([curve[-1].regret_db for curve in curves]))
    assert last.low_db <= last.regret_db <= last.high_db
    assert bands(curves, [100]) == []


def test_command_replays_and_says_what_ranking_by_cost_loses(table: Table, tmp_path: Path) -> None:
    table.write(tmp_path)
    given = ["--table", str(tmp_path), "--sampler", "random", "--budget", "8", "--repetitions", "2", "--json"]
    found, _ = answered(["bench", "replay", *given])
    assert found["way"]["budget"] == 8
    assert found["bands"][-1]["steps"] == 8 * 800
    digests = tuple(table.specs)
    by_cost = Replays(table, "cpu").judge(digests).regret_db(ranked_by_cost(table, digests))
    assert found["by_cost_db"] == pytest.approx(by_cost)
    _, errors = answered(["bench", "replay", "--table", str(tmp_path), "--steps", "300"], status=2)
    assert "300 steps" in errors


def test_optuna_optimises_recorded_trainings(table: Table) -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.NSGAIISampler(seed=0, population_size=8)
    )
    study.optimize(OptunaObjective(table, "cpu", 800, seed=1), n_trials=16)
    complete = [trial for trial in study.trials if trial.values]
    assert complete
    for trial in complete:
        digest = trial.user_attrs["digest"]
        row, latency = table.query(digest, 1, 800), table.latency(digest, "cpu")
        assert trial.values == [row.psnr_db, latency.relative_latency]
    with pytest.raises(UsageError, match="no network of the table has trainings"):
        OptunaObjective(table, "cpu", 900)


def test_arrays_hold_every_recorded_training_and_no_other(table: Table) -> None:
    found = blackbox(table, "compact", "cpu")
    digests = [digest for digest, spec in table.specs.items() if spec.family == "compact"]
    assert found.objectives_evaluations.shape == (len(digests), len(_SEEDS), len(_STEPS), 3)
    space = read_space(next(name for name in table.about.protocol.spaces if name.endswith("compact.yaml")))
    for params, values in zip(found.hyperparameters.to_dict("records"), found.objectives_evaluations, strict=True):
        spec = space.spec({str(name): value for name, value in params.items()})
        row = table.query(spec, _SEEDS[1], _STEPS[2])
        latency = table.latency(spec, "cpu").relative_latency
        assert values[1, 2].tolist() == [row.psnr_db, row.cpu_ms_per_step * 2400 / 1e3, latency]
    first = next(key for key in table.rows if key[0] == digests[0] and key[3] == 200)
    fewer = [row for key, row in table.rows.items() if key != first]
    missing = blackbox(Table(table.about, table.specs.values(), fewer, table.latencies.values()), "compact", "cpu")
    assert np.isnan(missing.objectives_evaluations).sum() == 3
    with pytest.raises(UsageError, match="family swin: the table has"):
        blackbox(table, "swin", "cpu")


def test_syne_tune_reads_the_arrays(table: Table) -> None:
    tabular = pytest.importorskip("syne_tune.blackbox_repository.blackbox_tabular", reason="Syne Tune is not installed")
    config_space = pytest.importorskip("syne_tune.config_space", reason="Syne Tune is not installed")
    found = blackbox(table, "compact", "cpu")
    box = tabular.BlackboxTabular(
        hyperparameters=found.hyperparameters,
        configuration_space={name: config_space.choice(values) for name, values in found.configuration_space.items()},
        fidelity_space={"steps": config_space.randint(1, int(found.fidelity_values.max()))},
        objectives_evaluations=found.objectives_evaluations,
        fidelity_values=found.fidelity_values,
        objectives_names=found.objectives_names,
    )
    configuration = found.hyperparameters.to_dict("records")[0]
    answer = box.objective_function(configuration, fidelity={"steps": 800}, seed=1)
    assert list(answer.values()) == found.objectives_evaluations[0, 1, 1].tolist()
