"""What every objective must be, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nas_sr.config import StudyConfig, parse
from nas_sr.errors import UsageError
from nas_sr.measure.profile import profile
from nas_sr.objectives import (
    DEFAULT,
    OBJECTIVES,
    all_named,
    columns,
    exceeded,
    named,
    parse_limits,
    point,
    refuse_missing,
)
from tests.report.study_records import measurement, prediction, trial

POWER = {"gpu_power_w": 12.0}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_reads_a_trial_that_has_all_and_none_of_what_is_missing(name: str) -> None:
    objective = named(name)
    timed = measurement(10.0, spread=0.0, conditions=POWER)
    whole = trial(0, latency=timed, figures={"memory_mb": 3.5, "weights_mb": 0.25})
    value = objective.value(whole)
    assert value is not None
    assert value > 0
    assert objective.text(value).endswith(objective.unit)
    if objective.known != "network" or objective.graph:
        assert objective.value(trial(1, state="running")) is None
    assert objective.excess(value, value) == 0
    assert (objective.excess(value + 1, value) > 0) == (objective.direction == "minimise")


def test_values_are_in_the_order_of_the_objectives() -> None:
    found = trial(0, psnr_db=26.5, latency=measurement(10.0, spread=0.0, conditions=POWER))
    psnr_db, energy_mj, params, memory_mb = point(found, all_named(("psnr_db", "energy_mj", "params", "memory_mb")))
    assert (psnr_db, energy_mj, params) == (26.5, pytest.approx(120.0), found.counts.params)
    assert memory_mb != memory_mb  # not known


def test_energy_of_a_prediction_is_not_known() -> None:
    assert named("energy_mj").value(trial(0, latency=prediction(10.0))) is None


def test_default_objectives_are_told_as_ever() -> None:
    assert [(each.name, target) for each, target in columns(DEFAULT, 2)] == [
        ("psnr_db", 0),
        ("latency_ms", 0),
        ("latency_ms", 1),
    ]
    assert StudyConfig().objectives == ("psnr_db", "latency_ms")


def test_limits_are_upper_ones_of_costs_and_lower_ones_of_gains() -> None:
    found = trial(0, psnr_db=26.0, latency=measurement(10.0), figures={"memory_mb": 70.2})
    assert exceeded(found, {"memory_mb": 71, "psnr_db": 25.9}, "cpu") == ""
    assert exceeded(found, {"memory_mb": 64}, "cpu") == "memory_mb of 70.2 MB on cpu is over the limit of 64 MB"
    assert exceeded(found, {"psnr_db": 26.5}, "cpu") == "psnr_db of 26.000 dB is under the limit of 26.500 dB"
    assert exceeded(found, {"psnr_db": 26.5}, "cpu", ("network", "measurement")) == ""
    assert exceeded(found, {"energy_mj": 1.0}) == ""  # not known


def test_limits_of_the_command_line() -> None:
    assert parse_limits(["memory_mb=64", "params = 2e5"]) == {"memory_mb": 64.0, "params": 200000.0}
    for text, words in (
        ("memory_mb", "NAME=VALUE"),
        ("memory_mb=much", "NAME=VALUE"),
        ("memory_mb=-3", "above 0"),
        ("memory_mb=inf", "above 0"),
        ("memry_mb=3", "unknown objective 'memry_mb'; known: memory_mb, "),
    ):
        with pytest.raises(UsageError, match=words):
            parse_limits([text])
    with pytest.raises(UsageError, match="twice"):
        parse_limits(["params=1", "params=2"])


def test_target_that_cannot_give_an_objective_is_refused_in_one_line_that_says_what_it_gives() -> None:
    with pytest.raises(UsageError) as raised:
        refuse_missing(("psnr_db", "energy_mj"), profile("cpu"))
    said = str(raised.value)
    assert said.startswith("cpu cannot give energy_mj: its runtime computes on the CPU")
    assert "it gives psnr_db, latency_ms, memory_mb" in said
    assert "\n" not in said
    for name in ("rtx2080", "xavier"):
        refuse_missing(OBJECTIVES, profile(name))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"objectives": ["psnr_db", "fps"]}, "objectives: unknown objective 'fps'; known: .*latency_ms"),
        ({"objectives": ["latency_ms", "params"]}, "must be psnr_db and at least one other"),
        ({"objectives": ["psnr_db"]}, "must be psnr_db and at least one other"),
        ({"objectives": ["psnr_db", "params", "params"]}, "each once"),
        ({"limits": {"memory": 3}}, "limits: unknown objective 'memory'; known: memory_mb"),
        ({"limits": {"params": 0}}, "limits.params: .*greater than 0"),
        ({"limits": {"latency_ms": 3.0}, "max_latency_ms": 3.0}, "one limit"),
    ],
)
def test_wrong_objectives_and_limits_are_refused(config: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(config, StudyConfig, "study.yaml")


def test_latency_has_one_limit_however_it_is_given() -> None:
    both = StudyConfig(hw=("cpu", "xavier"), limits={"latency_ms": 30.0, "params": 1e5})
    assert both.limits_ms == (30.0, 30.0)
    assert both.other_limits == {"params": 1e5}
    assert StudyConfig(max_latency_ms=(30.0,)).limits_ms == (30.0,)


def test_page_on_objectives_describes_every_one() -> None:
    page = (Path(__file__).parents[1] / "docs" / "objectives.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(OBJECTIVES)


def test_psnr_is_first_whatever_the_order() -> None:
    assert StudyConfig(objectives=("params", "psnr_db")).objectives == ("psnr_db", "params")
