"""A study's latencies compare: one reference latency, one device, and never a mixture of two."""

from __future__ import annotations

import threading
from pathlib import Path

import onnxruntime
import pytest
import yaml

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure import latency_cache
from nas_sr.measure.profile import profile
from nas_sr.search.finalists import finalise
from nas_sr.search.latency_epochs import EPOCHS, LatencyEpochs, current_epoch
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import keep_epoch, target
from nas_sr.search.trial_store import write_latency
from nas_sr.space import parse_space
from tests.own_cache import use_own_cache
from tests.search.quick import SPACE, quick_cpu

TINY = [ImdeceptionSpec(core=core, gidbs=1, depth=2, head=16) for core in (2, 4)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_cache(tmp_path / "cache", monkeypatch, (24, 24))


@pytest.fixture
def hw(tmp_path: Path) -> str:
    (tmp_path / "quick-cpu.yaml").write_text(yaml.safe_dump(quick_cpu()))
    return str(tmp_path / "quick-cpu.yaml")


def test_every_latency_of_a_study_is_relative_to_one_reference(tmp_path: Path, hw: str) -> None:
    first, second = target(hw, tmp_path / "first"), target(hw, tmp_path / "second")
    found = first.measured(TINY[0])
    epoch = first.epochs.current()
    assert epoch is not None
    assert (found.target_reference_ms, found.epoch) == (epoch.reference_ms, epoch.id)
    assert found.latency_ms == pytest.approx(found.relative_latency * epoch.reference_ms)
    # The same measurement, reused from the cache, is another figure where the reference takes another time.
    again = second.measured(TINY[0])
    other = second.epochs.current()
    assert other is not None
    assert again.measured_at == found.measured_at
    assert again.raw_latency_ms == found.raw_latency_ms
    assert again.latency_ms / found.latency_ms == pytest.approx(other.reference_ms / epoch.reference_ms)


def test_of_several_processes_one_times_the_reference(tmp_path: Path, hw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    original = latency_cache.measured_reference
    monkeypatch.setattr(
        "nas_sr.search.latency_epochs.measured_reference", lambda *how: taken.append(1) or original(*how)
    )
    epochs = [LatencyEpochs(tmp_path, profile(hw)) for _ in range(3)]
    found: list[str] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each.current_or_begun().id)) for each in epochs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(taken) == 1


def _study(folder: Path, hw: str) -> StudyStore:
    store = StudyStore.create(folder / "study", StudyConfig(hw=(hw,)), {"frozen": {"hw": {"quick-cpu": {}}}})
    proposals = Proposals(store, parse_space(SPACE, folder / "space.yaml"))
    measuring = target(hw, store.folder)
    for number in range(2):
        proposal = proposals.ask()
        assert proposal is not None
        latency = measuring.measured(proposal.spec)
        write_latency(store.latency_path(proposal.number, "quick-cpu"), latency)
        proposals.tell(proposal.number, Outcome("complete", 25.0 + number, (latency.latency_ms,)))
    return store


def test_changed_device_is_refused_or_begins_an_epoch_in_which_everything_is_measured_again(
    tmp_path: Path, hw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _study(tmp_path, hw)
    told: list[str] = []
    keep_epoch(target(hw, store.folder), False, told.append)
    assert told == []  # nothing has changed
    before = store.record()
    assert before.front

    monkeypatch.setattr(latency_cache, "machine", lambda: {"cpu": "another", "cores": 64, "architecture": "x86_64"})
    measuring = target(hw, store.folder)
    with pytest.raises(UsageError, match=r"machine\.cores was \d+ and is now 64; machine\.cpu was .* --new-epoch"):
        keep_epoch(measuring, False, told.append)
    assert store.record() == before

    keep_epoch(measuring, True, told.append)
    assert "a new epoch" in told[0]
    during = store.record()
    assert during.front == ()  # never a mixture of the two
    assert {trial.state for trial in during.trials if trial.repeats is None} == {"interrupted"}
    assert "of an earlier epoch" in during.trials[0].reason
    finalise(store, measuring, "all", told.append)
    after = store.record()
    assert {trial.state for trial in after.trials} == {"complete"}
    epoch = current_epoch(store.folder, "quick-cpu")
    assert epoch is not None
    assert {trial.latency.epoch for trial in after.trials} == {epoch.id}  # type: ignore[union-attr]


def test_runtime_of_another_version_is_another_device(tmp_path: Path, hw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    epochs = LatencyEpochs(tmp_path, profile(hw))
    epochs.current_or_begun()
    monkeypatch.setattr(onnxruntime, "__version__", "9.9.9")
    (change,) = epochs.changes()
    assert change.startswith("versions.onnxruntime was ")
    assert change.endswith(" and is now 9.9.9")


@pytest.mark.parametrize("content", ["", "{}", "[{}]", "[1]", "[", '[{"id": "x"}]'])
def test_broken_file_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / EPOCHS).mkdir()
    (tmp_path / EPOCHS / "cpu.json").write_text(content)
    with pytest.raises(UsageError, match=r"cpu\.json: broken.*with the file removed"):
        current_epoch(tmp_path, "cpu")
