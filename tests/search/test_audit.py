"""Audits: candidates on and around the front are trained longer; nothing is lost, and what they say is right."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas_sr.audit_record import Audit
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.weights import load_network
from nas_sr.records import CurvePoint, LongEstimate, Score, StudyRecord
from nas_sr.search import candidate_training
from nas_sr.search.audit import AuditTrainings
from nas_sr.search.audited import chosen, regret_db
from nas_sr.search.candidate_training import CandidateTraining
from nas_sr.search.race import Race
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import kept_state
from nas_sr.train.rungs import begin_rung
from tests.report.study_records import study, trial
from tests.search.quick import searched, write_configs

STEPS = 6  # of a quick search


def _audit(folder: Path, *options: str, status: int = 0) -> tuple[Any, str]:
    where = ["--studies", str(folder / "studies"), "--reports", str(folder / "reports"), "--json"]
    return searched(["audit", "quick", *where, *options], status)


def _store(folder: Path) -> StudyStore:
    return StudyStore.read(folder / "studies" / "quick")


def _trainings(folder: Path) -> dict[tuple[int, int, int], float | None]:
    return {
        (number, score.seed, score.steps): score.psnr_db
        for number, scores in _store(folder).scores().items()
        for score in scores
        if score.audit
    }


OPTIONS = ("--networks", "3", "--times", "2", "--seeds", "2")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StudyRecord, dict[str, Any], str]:
    """An audit that is killed as soon as its first training is on disk but not told, then continued."""
    folder = tmp_path_factory.mktemp("audited")
    searched([*write_configs(folder), "--budget", "4"])
    before = _store(folder).record()

    def killed(self: AuditTrainings, number: int, score: Score) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AuditTrainings, "tell", killed)
        _audit(folder, *OPTIONS, status=130)
    assert not _trainings(folder)
    (left,) = (folder / "studies" / "quick").glob("trials/*/runs/*.json")
    found, said = _audit(folder, *OPTIONS)
    # It was told from the disk, and not trained again.
    number, seed = int(left.parts[-3]), int(left.stem.split("-")[0])
    assert _trainings(folder)[number, seed, 2 * STEPS] == Score.model_validate_json(left.read_bytes()).psnr_db
    assert f"trial {number} " not in [line for line in said.splitlines() if f"seed {seed}:" in line]
    assert "5 of 6 trainings to do" in said
    return folder, before, found, said


def test_front_and_its_neighbours_are_trained_from_seeds_that_the_search_has_not_used(
    audited: tuple[Path, StudyRecord, dict[str, Any], str],
) -> None:
    folder, before, found, said = audited
    trainings = _trainings(folder)
    assert {(seed, steps) for _, seed, steps in trainings} == {(1, 2 * STEPS), (2, 2 * STEPS)}
    numbers = [network["number"] for network in found["networks"]]
    assert {number for number, _, _ in trainings} == set(numbers)
    on_front = [network["number"] for network in found["networks"] if network["on_front"]]
    assert on_front == [number for number in before.front if number in numbers]
    assert "[5/5] trial" in said
    for network in found["networks"]:
        assert network["search_db"] == before.trial(network["number"]).psnr_db
        assert network["psnr_db"] == [trainings[network["number"], seed, 2 * STEPS] for seed in (1, 2)]
        assert 0 <= network["front_probability"] <= 1
    assert found["missing"] == found["failed"] == 0
    assert found["regret"]["low_db"] <= found["regret"]["high_db"]
    assert -1 <= found["search"]["tau"] <= 1


def test_study_counts_them_and_can_be_read_without_them(
    audited: tuple[Path, StudyRecord, dict[str, Any], str],
) -> None:
    folder, before, found, _ = audited
    store = _store(folder)
    without = store.record(audits=False)
    assert without == before
    record = store.record()
    assert record.audit == Audit.model_validate({key: found[key] for key in Audit.model_fields})
    assert all(trial.estimate and trial.estimate.steps == 2 * STEPS for trial in record.trials if not trial.repeats)
    for network in found["networks"]:
        trial = record.trial(network["number"])
        assert len(trial.scores) == 3
        assert trial.weights == f"runs/1-{2 * STEPS}.safetensors"
        load_network(record.weights(trial))
    html = (folder / "reports" / "quick" / "index.html").read_text()
    assert "Audit" in html
    assert "Regret at equal latency" in html


def test_finished_audit_trains_nothing_and_a_larger_one_only_what_is_new(
    audited: tuple[Path, StudyRecord, dict[str, Any], str],
) -> None:
    folder, _, found, _ = audited
    trainings = _trainings(folder)
    again, said = _audit(folder, *OPTIONS)
    assert "0 of 6 trainings to do" in said
    assert again == found
    more, said = _audit(folder, "--networks", "3", "--times", "2", "--seeds", "3")
    assert "3 of 9 trainings to do, 36 steps" in said
    assert trainings.items() <= _trainings(folder).items()
    assert [network["search_db"] for network in more["networks"]] == [each["search_db"] for each in found["networks"]]
    began_at = []

    def seen(*arguments: Any) -> Any:
        state, note = begin_rung(*arguments)
        began_at.append(state.position)
        return state, note

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_training, "begin_rung", seen)
        _, said = _audit(folder, "--networks", "3", "--times", "3", "--seeds", "1")
    # From the states before the decay of 12 steps, which begins after half of them.
    assert began_at == [6, 6, 6]
    assert f"3 of 3 trainings to do, {3 * (18 - 6)} steps" in said
    _, said = _audit(folder, *OPTIONS, status=2)
    assert "--times 2: an audit must be longer, and the study has trainings of 18 steps; at least --times 3" in said


def test_race_and_audit_do_not_disturb_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas_sr.search.race._FEWEST", 3)
    options = [*write_configs(tmp_path), "--rungs", "6,12", "--budget", "3", "--budget-steps"]
    searched([*options, "30"])
    spent = Race(StudyStore.open(tmp_path / "studies" / "quick"), 3, 30).steps
    found, _ = _audit(tmp_path, "--networks", "3", "--times", "3", "--seeds", "1")
    assert found["seeds"] == [3]
    store = StudyStore.open(tmp_path / "studies" / "quick")
    assert Race(store, 3, 30).steps == spent
    assert store.judged_after() == 18
    assert store.judged_after(audits=False) == 12
    searched([*options, "50"])
    raced = [
        (score.seed, score.steps)
        for scores in _store(tmp_path).scores().values()
        for score in scores
        if not score.audit and (score.seed, score.steps) != (0, 6)
    ]
    assert raced
    assert all(seed < 3 and steps in (6, 12) for seed, steps in raced)


def test_training_that_failed_is_said_and_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched([*write_configs(tmp_path), "--budget", "3"])
    for state in (tmp_path / "studies" / "quick" / "trials").iterdir():
        assert not kept_state(state, 0).exists()

    run, broken = CandidateTraining.run, set[str]()

    def diverges(self: CandidateTraining) -> Iterator[CurvePoint]:
        """The first network."""
        broken.add(next(iter(broken), self.state.spec.digest))
        if self.state.spec.digest in broken:
            raise ValueError("made up")
        return run(self)

    monkeypatch.setattr(CandidateTraining, "run", diverges)
    found, _ = _audit(tmp_path, "--networks", "3", "--times", "2", "--seeds", "1")
    assert len({network["number"] for network in found["networks"]}) == 3
    failed = [network for network in found["networks"] if network["psnr_db"] == [None]]
    assert found["failed"] == len(failed) == 1
    assert found["missing"] == 0
    _, said = _audit(tmp_path, "--networks", "3", "--times", "3", "--seeds", "1")
    assert f"{3 - len(failed)} of 3 trainings to do" in said


def test_audit_that_cannot_be(tmp_path: Path) -> None:
    _, said = _audit(tmp_path, status=2)
    assert "no study there" in said
    searched([*write_configs(tmp_path), "--budget", "2"])
    _, said = _audit(tmp_path, "--hw", "quick-gpu", status=2)
    assert "quick-cpu" in said
    _, said = _audit(tmp_path, status=2)
    assert "an audit needs 3 complete trials at least, but got 2" in said
    assert not (tmp_path / "studies" / "quick" / "audit.json").exists()
    other = tmp_path / "other"
    other.mkdir()
    searched([*write_configs(other, schedule={"kind": "cosine"}), "--budget", "1"])
    _, said = _audit(other, status=2)
    assert "schedule is warmup_constant_decay, but got cosine" in said


def test_images_that_changed_are_refused(audited: tuple[Path, StudyRecord, dict[str, Any], str]) -> None:
    folder, *_ = audited
    path = folder / "studies" / "quick" / "environment.json"
    kept = path.read_text()
    changed = json.loads(kept)
    changed["frozen"]["train_images"] = "others"
    path.write_text(json.dumps(changed))
    _, said = _audit(folder, "--networks", "3", "--times", "4", status=2)
    path.write_text(kept)
    assert "train_images was others" in said


def test_regret_is_what_is_lost_by_choosing_from_the_front() -> None:
    """Four networks, of which the search has the first and the last on its front; the third is better than that."""
    latency_ms = np.array([1.0, 2.0, 3.0, 4.0])
    search_db = np.array([26.0, -math.inf, -math.inf, 26.2])
    assert regret_db(np.array([26.0, 25.9, 26.3, 26.2]), search_db, latency_ms) == pytest.approx([0, 0, 0.3, 0.1])
    assert regret_db(np.array([26.0, 25.9, 26.0, 26.2]), search_db, latency_ms) == pytest.approx([0, 0, 0, 0])
    # The search offers what it takes for the best, whatever that really is.
    assert regret_db(np.array([26.0, 25.9, 25.9, 25.5]), search_db, latency_ms) == pytest.approx([0, 0, 0, 0.5])
    found = regret_db(np.array([26.0, 25.9]), np.array([-math.inf, 26.0]), latency_ms[:2])
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(0.1)


def _trial(number: int, latency_ms: float, psnr_db: float, probability: float | None = None) -> Any:
    estimate = (
        None
        if probability is None
        else LongEstimate(steps=9, mean_db=psnr_db, sd_db=0.01, front_probability=probability)
    )
    spec = ImdeceptionSpec(core=4 + number)
    return trial(number, spec, psnr_db=psnr_db, latency=latency_ms, estimate=estimate)


def test_what_is_nearest_behind_the_front_is_audited_spread_over_cost() -> None:
    front = [_trial(0, 10.0, 26.0), _trial(1, 20.0, 26.5), _trial(2, 30.0, 27.0)]
    near = [_trial(3, 11.0, 25.95), _trial(4, 12.0, 25.94), _trial(5, 13.0, 25.93), _trial(6, 22.0, 26.3)]
    far = [_trial(7, 23.0, 25.0), _trial(8, 33.0, 25.0)]
    record = study([*front, *near, *far])
    assert record.front == (0, 1, 2)
    # One of each stretch of cost first; then the nearest of what is left.
    assert [each.number for each in chosen(record, 6)] == [0, 3, 1, 6, 2, 8]
    assert [each.number for each in chosen(record, 7)] == [0, 3, 4, 1, 6, 2, 8]
    assert len(chosen(record, 99)) == 9
    assert [each.number for each in chosen(record, 2)] == [0, 2]


def test_most_probable_members_come_before_nearer_ones() -> None:
    front = [_trial(0, 10.0, 26.0, 0.9), _trial(1, 20.0, 26.5, 0.8)]
    near = [_trial(2, 11.0, 25.99, 0.1), _trial(3, 12.0, 25.9, 0.4)]
    assert [each.number for each in chosen(study([*front, *near]), 3)] == [0, 3, 1]
