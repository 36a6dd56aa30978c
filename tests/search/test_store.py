"""What a study's store says of its trials and targets, on real journals and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nas_sr.config import StudyConfig
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.profile import profile
from nas_sr.search.journal import WholeLines
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_latency
from nas_sr.space import parse_space
from tests.report.study_records import measurement, prediction

TINY = parse_space({"parameters": {"core": [2, 4], "gidbs": [2, 3]}}, Path("tiny.yaml"))
PREDICTED = prediction(10.0, labels=("not measured: cpu: it is off",))


def _store(folder: Path, *outcomes: Outcome, **config: object) -> StudyStore:
    """A study whose trials were told these outcomes while their latency was predicted."""
    store = StudyStore.create(folder / "study", StudyConfig.model_validate(config), {})
    proposals = Proposals(store, TINY)
    for outcome in outcomes:
        proposal = proposals.ask()
        assert proposal is not None
        write_latency(store.latency_path(proposal.number, "cpu"), PREDICTED)
        proposals.tell(proposal.number, outcome)
    return store


def test_reason_of_a_complete_trial_is_that_of_the_latency_it_has_now(tmp_path: Path) -> None:
    store = _store(tmp_path, Outcome("complete", 26.0, (10.0,), "latency on cpu predicted, 8 to 12 ms"))
    (trial,) = store.trials()
    assert trial.reason == "latency on cpu predicted, 8.47 to 11.80 ms"

    write_latency(store.latency_path(0, "cpu"), measurement(9.0))
    (trial,) = store.trials()
    assert (trial.latency and trial.latency.kind, trial.reason) == ("measured", "")

    write_latency(store.latency_path(0, "cpu"), measurement(9.0, stable=False, labels=("it was throttled",)))
    (trial,) = store.trials()
    assert trial.reason == "latency on cpu not stable: it was throttled"


def test_reason_of_an_infeasible_trial_says_what_was_measured_since(tmp_path: Path) -> None:
    why = "predicted 10.00 ms (8.47 to 11.80) on cpu is over the limit of 8 ms"
    store = _store(tmp_path, Outcome("infeasible", None, (10.0,), why), max_latency_ms=8.0)
    (trial,) = store.trials()
    assert trial.reason == why
    write_latency(store.latency_path(0, "cpu"), measurement(9.0, spread=0.0))
    (trial,) = store.trials()
    assert trial.state == "infeasible"
    assert trial.reason == f"{why}; taken again it is 9.00 ms"


def test_network_whose_measurement_is_over_the_limit_is_not_on_the_front(tmp_path: Path) -> None:
    """A prediction that only touches the limit lets it be trained."""
    outcomes = [Outcome("complete", 26.0 + number, (10.0,), "predicted") for number in range(2)]
    store = _store(tmp_path, *outcomes, max_latency_ms=11.0)
    (second,) = store.record().front
    write_latency(store.latency_path(second, "cpu"), measurement(12.0, spread=0.0))
    record = store.record()
    assert record.front == (0,)
    late = record.trial(second)
    assert (late.state, late.psnr_db) == ("infeasible", 27.0)
    assert late.reason == "12.00 ms on cpu is over the limit of 11 ms; it was trained when 10.00 ms were known"


def test_target_that_was_added_is_named_by_what_a_command_needs(tmp_path: Path) -> None:
    path = tmp_path / "my board.yaml"
    path.write_text(yaml.safe_dump({"extends": "orin64", "name": "board", "title": "my board", "lr_height": 128}))
    store = _store(tmp_path, Outcome("complete", 26.0, (10.0,)))
    store.add_target(str(path), profile(str(path)))
    path.unlink()  # what is known of it is in the study
    cpu, board = StudyStore.open(store.folder).records()
    assert (cpu.target, cpu.hw) == ("cpu", "cpu")
    assert (board.target, board.hw, board.target_title) == ("board", str(path), "my board")
    assert (board.profile["lr_height"], board.profile["precision"]) == (128, "fp16")
    assert "ssh" not in board.profile


def test_study_searched_on_a_users_own_profile_names_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "drone.yaml")
    assert _store(tmp_path, hw=(path,)).hw("drone") == path


def test_all_targets_are_read_from_the_journal_at_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path, *(Outcome("complete", 26.0 + number, (10.0,)) for number in range(3)))
    for name in ("rtx2080", "xavier", "orin64"):
        store.add_target(name, profile(name))
    reads = []
    read = WholeLines.read_logs
    monkeypatch.setattr(
        WholeLines,
        "read_logs",
        lambda *given: reads.append(given) or read(*given),  # type: ignore[func-returns-value]
    )
    assert len(store.records()) == 4
    assert len(reads) == 1


def test_spec_of_a_trial_is_its_own(tmp_path: Path) -> None:
    store = _store(tmp_path, *(Outcome("complete", 26.0, (10.0,)) for _ in range(4)))
    assert {trial.spec for trial in store.trials()} == {
        ImdeceptionSpec(core=c, gidbs=g) for c in (2, 4) for g in (2, 3)
    }
