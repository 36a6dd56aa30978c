"""Searches over other objectives than PSNR and latency, with limits, and what reads them afterwards."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from optuna.study import StudyDirection

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.export.choose import above_psnr, at_knee, by_number, within_latency, within_limits
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.measure.profile import profile
from nas_sr.names import arch, model_path
from nas_sr.objectives import OBJECTIVES, Objective, point
from nas_sr.records import StudyRecord
from nas_sr.report.data.trial_frames import trials_frame
from nas_sr.search import candidate
from nas_sr.search import store as study_store
from nas_sr.search.outcome import Figures, Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import (
    figures_file,
    read_figures,
    read_outcome,
    write_figures,
    write_latency,
    write_outcome,
)
from nas_sr.space import parse_space
from tests.report.study_records import measurement, prediction
from tests.search.made_study import made_study
from tests.search.quick import answered, searched, write_configs
from tests.search.test_candidate import SPEC, _evaluation

# Large enough that a sampler hardly repeats itself.
WIDE = parse_space({"parameters": {"core": {"low": 1, "high": 64}, "gidbs": {"low": 2, "high": 32}}}, Path("w.yaml"))
THREE = ("psnr_db", "latency_ms", "memory_mb")


def _store(folder: Path, figures: list[tuple[float, float, float]], **config: Any) -> StudyStore:
    """A study of these (PSNR, latency, memory), told as a search tells them."""
    store = StudyStore.create(folder / "s", StudyConfig(**{"objectives": THREE, **config}), {"bicubic_psnr_db": 24.0})
    proposals = Proposals(store, WIDE)
    for psnr_db, latency_ms, memory_mb in figures:
        proposal = proposals.ask()
        assert proposal
        write_latency(store.latency_path(proposal.number, "cpu"), measurement(latency_ms, spread=0.0))
        write_figures(store.figures_path(proposal.number, "cpu"), {"memory_mb": memory_mb})
        values = (psnr_db, latency_ms, memory_mb)
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms,), values=values))
    return store


def _front_by_definition(record: StudyRecord) -> set[int]:
    points = {
        trial.number: point(trial, record.traded)
        for trial in record.trials
        if trial.state == "complete" and trial.repeats is None
    }

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        gains = [(x - y) if each.maximise else (y - x) for x, y, each in zip(a, b, record.traded, strict=True)]
        return min(gains) >= 0 and max(gains) > 0

    return {n for n, mine in points.items() if not any(beats(other, mine) for other in points.values())}


def test_search_trades_three_objectives_within_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is new here: an entry and a function, and nothing else."""
    convolutions = Objective(
        name="convs",
        title="convolutions",
        unit="",
        direction="minimise",
        known="network",
        value=lambda trial: trial.counts.convs,
        format=".0f",
    )
    monkeypatch.setitem(OBJECTIVES, convolutions.name, convolutions)
    command = write_configs(tmp_path)
    command += [option for name in ("convs", "psnr_db", "memory_mb") for option in ("--objective", name)]
    command += ["--limit", "params=11000"]
    result, _ = searched([*command, "--budget", "6"])

    store = StudyStore.open(tmp_path / "studies" / "quick")
    assert store.config.objectives == ("psnr_db", "convs", "memory_mb")
    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE, StudyDirection.MINIMIZE]
    assert store.study.directions == directions
    record = store.record()
    complete = [trial for trial in record.trials if trial.state == "complete"]
    assert result["complete"] >= 2
    frozen = {trial.number: trial for trial in store.study.trials}
    for trial in complete:
        assert frozen[trial.number].values == list(point(trial, record.traded))
        assert trial.counts.params <= 11000
        assert trial.figures["memory_mb"] > 0
    first_of_each = {trial.number for trial in complete if trial.repeats is None}
    assert set(record.front) & first_of_each == _front_by_definition(record)
    assert len(record.hypervolume_reference) == 3
    over = [trial for trial in record.trials if trial.state == "infeasible" and trial.repeats is None]
    assert over  # the space has networks of more
    for trial in over:
        assert trial.reason.startswith("params of ")
        assert "over the limit of 11,000" in trial.reason
        assert trial.latency is None  # nothing was measured
        folder = store.trial_folder(trial.number)
        assert not (folder / "latency.json").exists()
        assert frozen[trial.number].constraints["params"] == pytest.approx(trial.counts.params / 11000 - 1)
    shown = result["front"][0]["objectives"]
    assert set(shown) == {"psnr_db", "convs", "memory_mb"}

    html = Path(result["report"]).read_text()
    assert "Least convolutions" in html
    assert '<option value="convs">convolutions</option>' in html
    frame = trials_frame([record])
    known = frame[frame["state"] == "complete"]
    assert known["memory_mb"].notna().all()
    # The same command goes on, and what was told is read back.
    again, _ = searched([*command, "--budget", "7"])
    assert again["complete"] + again["infeasible"] >= 7
    answered([*command[:1], *command[1:-2], "--limit", "params=12000", "--budget", "8"], status=2)


def test_each_target_has_its_own_memory_also_one_that_is_added(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    for name, base, size in (("larger", "quick-cpu", 48), ("third", "larger", 32)):
        text = {"extends": f"{base}.yaml", "name": name, "lr_height": size, "precision": "fp32"}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(text))
    targets = ["--hw", str(tmp_path / "quick-cpu.yaml"), "--hw", str(tmp_path / "larger.yaml")]
    traded = ["--objective", "psnr_db", "--objective", "memory_mb", "--objective", "latency_ms"]
    searched([*options, *targets, *traded, "--budget", "2"])
    store = StudyStore.open(tmp_path / "studies" / "quick")
    small, large = store.records()
    for trial in store.study.get_trials():
        psnr_db, *rest = trial.values
        one, other = small.trial(trial.number), large.trial(trial.number)
        assert psnr_db == one.psnr_db
        memories = [one.figures["memory_mb"], other.figures["memory_mb"]]
        assert rest[:2] == memories
        assert memories[1] == pytest.approx(2 * memories[0])  # of twice the pixels
        assert len(rest) == 4
    folder = ["--studies", str(tmp_path / "studies"), "--reports", str(tmp_path / "reports"), "--json"]
    answered(["retarget", "quick", "--hw", str(tmp_path / "third.yaml"), *folder])
    record = store.record("third")
    assert record.front
    assert all(trial.figures["memory_mb"] > 0 for trial in record.trials)


def test_energy_on_a_cpu_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    command = [*write_configs(tmp_path), "--objective", "psnr_db", "--objective", "energy_mj", "--budget", "2"]
    _, said = answered(command, status=2)
    assert said.count("\n") == 1
    assert "quick-cpu cannot give energy_mj: its runtime computes on the CPU, whose power nothing reads" in said
    assert "it gives psnr_db, latency_ms, memory_mb" in said
    assert not (tmp_path / "studies" / "quick" / "study.yaml").exists()
    _, said = answered([*write_configs(tmp_path), "--limit", "fps=30", "--budget", "2"], status=2)
    assert "unknown objective 'fps'; known: " in said


def test_front_of_three_objectives_and_its_hypervolume(tmp_path: Path) -> None:
    store = _store(tmp_path, [(25.0, 10.0, 5.0), (25.0, 12.0, 3.0), (24.5, 12.0, 3.5), (26.0, 20.0, 4.0)])
    record = store.record()
    assert record.objectives == THREE
    assert record.front == (0, 1, 3)
    assert record.hypervolume_reference == (24.0, 20.0, 10.0)  # twice the first one's, as nothing else is known
    assert record.hypervolume == pytest.approx(1 * 10 * 5 + 1 * 8 * (7 - 5))
    store.add_target("xavier", profile("xavier"))
    assert store.record("xavier").front == ()


def test_repeat_has_the_values_of_its_network(tmp_path: Path) -> None:
    store = _store(tmp_path, [(25.0, 10.0, 5.0), (26.0, 20.0, 8.0)])
    (first, second) = (store.finished()[number] for number in (0, 1))
    assert (first.values, first.latencies_ms) == ((25.0, 10.0, 5.0), (10.0,))
    write_outcome(tmp_path, second._replace(excesses=(("params", 0.5),)))
    assert read_outcome(tmp_path) == second._replace(excesses=(("params", 0.5),))


def test_trial_over_a_limit_by_what_is_known_now_is_infeasible(tmp_path: Path) -> None:
    config = {"limits": {"memory_mb": 7.0, "psnr_db": 24.9}}
    store = _store(tmp_path, [(25.0, 10.0, 5.0), (26.0, 20.0, 8.0), (24.0, 5.0, 4.0)], **config)
    record = store.record()
    assert [trial.state for trial in record.trials if trial.repeats is None] == ["complete", "infeasible", "infeasible"]
    assert record.trial(1).reason == "memory_mb of 8 MB on cpu is over the limit of 7 MB"
    assert record.trial(2).reason == "psnr_db of 24.000 dB is under the limit of 24.900 dB"
    assert record.front == (0,)
    assert store.wrongly_infeasible() == set()


def test_candidate_that_energy_ruled_out_comes_back_once_it_is_measured_within_the_limit(tmp_path: Path) -> None:
    store = StudyStore.create(tmp_path / "s", StudyConfig(hw=("xavier",), limits={"energy_mj": 100.0}), {})
    proposals = Proposals(store, WIDE)
    proposal = proposals.ask()
    assert proposal
    path = store.latency_path(proposal.number, "xavier")
    write_latency(path, measurement(10.0, spread=0.0, target="xavier", conditions={"gpu_power_w": 12.0}))
    why = "energy_mj of 120 mJ on xavier is over the limit of 100 mJ"
    proposals.tell(proposal.number, Outcome("infeasible", None, (10.0,), why))
    assert store.wrongly_infeasible() == set()
    assert (store.trials()[0].state, store.trials()[0].reason) == ("infeasible", why)
    write_latency(path, measurement(10.0, spread=0.0, target="xavier", conditions={"gpu_power_w": 9.0}))
    assert store.wrongly_infeasible() == {proposal.number}
    assert store.trials()[0].state == "interrupted"


def test_study_from_before_objectives_still_opens(tmp_path: Path) -> None:
    store = made_study(tmp_path / "old")
    path = store.folder / "study.yaml"
    config = yaml.safe_load(path.read_text())
    del config["objectives"]
    del config["limits"]
    path.write_text(yaml.safe_dump(config))
    record = StudyStore.open(store.folder).record()
    assert record.objectives == ("psnr_db", "latency_ms")
    assert [record.trial(number).psnr_db for number in record.front] == [25.0, 26.0]
    assert not any("latencies_ms" in trial.user_attrs for trial in store.study.trials)  # told as ever


def test_lookup_of_a_trial_computes_no_importances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = made_study(tmp_path / "s")
    computed: list[str] = []
    monkeypatch.setattr(study_store, "importances", lambda study, record: computed.append(record.target) or {})
    store.record()
    store.records()
    assert arch("s:0", tmp_path) == store.trials()[0].spec
    assert model_path("s:1", tmp_path).is_file()
    answered(["export", "s", "--studies", str(tmp_path), "--knee", "--out", str(tmp_path / "b"), "--json"])
    assert computed == []
    answered(["report", "s", "--studies", str(tmp_path), "--reports", str(tmp_path / "r"), "--json"])
    assert computed == ["cpu"]


def test_importances_say_which_parameter_decides(tmp_path: Path) -> None:
    wide = parse_space({"parameters": {"core": [2, 4, 6, 8], "gidbs": [2, 3], "head": [16, 32]}}, Path("wide.yaml"))
    store = StudyStore.create(tmp_path / "s", StudyConfig(sampler="random"), {})
    proposals, draw = Proposals(store, wide), random.Random(0)
    while proposal := proposals.ask():
        latency_ms, psnr_db = 10.0 * proposal.spec.gidbs + draw.random(), 25.0 + proposal.spec.core
        write_latency(store.latency_path(proposal.number, "cpu"), measurement(latency_ms, spread=0.0))
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms,)))
    (record,) = store.report_records()
    assert set(record.importances) == {"psnr_db", "latency_ms"}
    assert max(record.importances["psnr_db"], key=record.importances["psnr_db"].__getitem__) == "core"
    assert max(record.importances["latency_ms"], key=record.importances["latency_ms"].__getitem__) == "gidbs"
    assert math.isclose(sum(record.importances["psnr_db"].values()), 1.0)
    assert store.record().importances == {}


def test_export_rules_of_three_objectives(tmp_path: Path) -> None:
    figures = [(25.0, 10.0, 9.0), (25.2, 14.0, 3.0), (26.0, 20.0, 8.0), (25.9, 20.0, 4.0), (24.5, 9.0, 9.5)]
    record = _store(tmp_path, figures).record()
    assert record.front == (4, 0, 1, 3, 2)
    assert at_knee(record).number == 1
    assert at_knee(record, {"psnr_db": 25.5}).number == 3  # no better than trial 2 in all, and first in order
    assert within_latency(record, 15.0).number == 1
    assert above_psnr(record, 25.5).number == 2  # of the two that take 20 ms: 26.0 dB is better
    assert within_limits(record, {"memory_mb": 5.0}).number == 3
    assert at_knee(record, {"memory_mb": 3.5}).number == 1
    assert within_latency(record, 15.0, {"memory_mb": 9.2, "psnr_db": 25.1}).number == 1
    assert by_number(record, 2).number == 2
    with pytest.raises(UsageError, match=r"within all limits; the least memory_mb is 3 MB of trial 1"):
        at_knee(record, {"memory_mb": 1.0})
    with pytest.raises(UsageError, match=r"no energy_mj on cpu"):
        at_knee(record, {"energy_mj": 1.0})


def test_export_takes_limits_alone_or_with_a_rule_but_not_with_a_number(tmp_path: Path) -> None:
    made_study(tmp_path / "s")
    export = ["export", "s", "--studies", str(tmp_path), "--json", "--out"]
    found, _ = answered([*export, str(tmp_path / "a"), "--limit", "latency_ms=15"])
    assert found["trial"] == 0
    found, _ = answered([*export, str(tmp_path / "b"), "--min-psnr", "25.5", "--limit", "params=1e6"])
    assert found["trial"] == 1
    _, said = answered([*export, str(tmp_path / "c"), "--trial", "0", "--limit", "params=1e6"], status=2)
    assert "not both" in said
    _, said = answered([*export, str(tmp_path / "c"), "--limit", "params"], status=2)
    assert "NAME=VALUE" in said


def test_predicted_latency_gives_no_energy_and_the_candidate_is_given_back(tmp_path: Path) -> None:
    evaluation = _evaluation(tmp_path).model_copy(update={"objectives": ("psnr_db", "energy_mj")})
    target: Any = SimpleNamespace(profile=profile("xavier"))
    for latency, kind in ((prediction(10.0), "device"), (measurement(10.0), "candidate")):
        with pytest.raises(MeasurementFailed, match="no energy_mj on xavier") as raised:
            candidate._refuse_unknown(evaluation, target, Figures(SPEC, None, 10.0, latency))
        assert raised.value.kind == kind


def test_figures_file_that_is_broken_is_none(tmp_path: Path) -> None:
    path = figures_file(tmp_path, 0, "cpu")
    assert read_figures(path) == {}
    write_figures(path, {"memory_mb": 1.5})
    assert read_figures(path) == {"memory_mb": 1.5}
    path.write_text("{")
    assert read_figures(path) == {}
