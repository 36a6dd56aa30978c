"""A device that does not answer and that nothing can predict for: waited for, then given up with nothing lost."""

from __future__ import annotations

import io
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import yaml
from rich.console import Console

from nas_sr.config import StudyConfig
from nas_sr.errors import UsageError, WorkError
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure.measurement_error import MeasurementFailed
from nas_sr.ray_cluster import ray_cluster
from nas_sr.search import targets, tune
from nas_sr.search.candidate import evaluate_candidate
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.outcome import Outcome
from nas_sr.search.progress import SearchProgress
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.targets import target
from nas_sr.search.tune import JournalSearcher, Resources, run_candidates
from nas_sr.space import parse_space
from nas_sr.train.execution import Execution
from tests.own_cache import use_own_cache
from tests.search.quick import SPACE, write_configs
from tests.sshd import Server

TINY = ImdeceptionSpec(core=2, gidbs=1, depth=2, head=16)


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.slept_s: list[float] = []
        monkeypatch.setattr(targets, "time", SimpleNamespace(monotonic=lambda: self.now_s))

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test measured is not known."""
    use_own_cache(tmp_path / "cache", monkeypatch, (24, 24))


def _profile(folder: Path, ssh: dict[str, object]) -> str:
    write_configs(folder)
    drone = {"extends": "quick-cpu.yaml", "name": "drone", "title": "a drone", "ssh": ssh}
    (folder / "drone.yaml").write_text(yaml.safe_dump(drone))
    return str(folder / "drone.yaml")


@pytest.fixture
def away(tmp_path: Path) -> Iterator[str]:
    """A profile of a device at which nothing listens."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        yield _profile(tmp_path, {"host": "127.0.0.1", "port": nobody.getsockname()[1]})


def test_silent_device_is_asked_after_ever_longer_pauses_and_then_given_up(
    tmp_path: Path, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    silent = target(away, tmp_path / "study")
    assert silent.predictor is None
    with pytest.raises(MeasurementFailed, match="drone") as caught:
        silent.latency(TINY, clock.sleep)
    assert caught.value.kind == "device"
    assert clock.slept_s == [15, 30, 60, 120, 240]


def test_device_that_comes_back_is_measured_and_its_next_silence_begins_anew(
    tmp_path: Path, device: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = device.reached(sys.executable).model_dump(exclude_none=True)
    clock, drone = Clock(monkeypatch), target(_profile(tmp_path, ssh), tmp_path / "study")
    device.stop()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept_s) == 3:
            device.start()

    found = drone.latency(TINY, sleep)
    assert (found.kind, found.target, found.network) == ("measured", "drone", TINY.digest)
    assert clock.slept_s == [15, 30, 60]

    device.stop()
    with pytest.raises(MeasurementFailed):
        drone.latency(ImdeceptionSpec(core=4, gidbs=1, depth=2, head=16), clock.sleep)
    assert clock.slept_s[3:] == [15, 30, 60, 120, 240]


def test_measuring_during_the_pause_asks_nobody(tmp_path: Path, away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, silent = Clock(monkeypatch), target(away, tmp_path / "study")
    with pytest.raises(MeasurementFailed) as first:
        silent.measured(TINY)
    with monkeypatch.context() as patch:
        patch.setattr(silent.epochs, "current_or_begun", lambda *_, **__: pytest.fail("asked"))
        with pytest.raises(MeasurementFailed) as second:
            silent.measured(TINY)
    assert second.value is first.value
    clock.now_s += 16
    with pytest.raises(MeasurementFailed) as third:
        silent.measured(TINY)
    assert third.value is not first.value


def _evaluation(folder: Path, hw: str) -> Evaluation:
    config = StudyConfig.model_validate({**yaml.safe_load((folder / "study.yaml").read_text()), "hw": [hw]})
    return Evaluation(
        validation_megapixels=2.0,
        study_dir=str(folder / "study"),
        hw=config.hw,
        train_pack=str(folder / "never opened"),
        val_pack=str(folder / "never opened"),
        training=config.training,
        execution=Execution(),
        limits_ms=(None,),
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(targets, "LONGEST_PAUSE_S", 0.02)


@pytest.mark.usefixtures("impatient")
def test_candidate_of_a_silent_device_is_given_back_and_proposed_again(tmp_path: Path, away: str) -> None:
    store = StudyStore.create(tmp_path / "study", StudyConfig(hw=(away,)), {})
    space = parse_space(SPACE, Path("space.yaml"))
    proposals, console = Proposals(store, space), Console(file=io.StringIO())
    searcher = JournalSearcher(proposals, budget=4, progress=SearchProgress(console, 4, {}))
    config = searcher.suggest("tune's name of it")
    assert isinstance(config, dict)
    spec = ImdeceptionSpec(**config["spec"])

    *_, last = evaluate_candidate(_evaluation(tmp_path, away), config["number"], spec)
    assert isinstance(last, Outcome)
    assert last.state == "interrupted"
    assert "drone" in last.reason
    assert not (store.trial_folder(config["number"]) / "result.json").exists()  # nothing that a later search would tell

    searcher.on_trial_complete("tune's name of it", {**last._asdict(), "done": True})
    assert searcher.suggest("another") == searcher.FINISHED
    assert "given back: drone" in console.file.getvalue()  # type: ignore[attr-defined]
    (trial,) = store.trials()
    assert (trial.state, trial.psnr_db) == ("interrupted", None)

    again = Proposals(StudyStore.open(store.folder), space)
    assert again.evaluated == 0
    proposal = again.ask()
    assert proposal is not None
    assert proposal.spec == spec


@pytest.fixture
def ray_of_a_notebook() -> Iterator[None]:
    """Ray as a person started it in the process that searches."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.mark.usefixtures("ray_of_a_notebook")
def test_search_on_a_device_that_falls_silent_stops_with_a_clear_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first candidate is complete; the device is gone before the second. Ray, which ran before, goes on running."""
    write_configs(tmp_path)
    store = StudyStore.create(tmp_path / "study", StudyConfig(), {})
    space = parse_space(SPACE, Path("space.yaml"))
    proposals, console = Proposals(store, space), Console(file=io.StringIO())
    monkeypatch.setattr(tune.signal, "signal", lambda *_: None)

    def evaluate(evaluation: Evaluation, number: int, spec: ImdeceptionSpec) -> Iterator[Outcome]:
        yield Outcome("complete", 26.0, (10.0,)) if number == 0 else Outcome("interrupted", reason="drone: it is off")

    with (
        pytest.raises(WorkError, match=r"nothing is lost; continue it with the same command: drone: it is off"),
        SearchProgress(console, 4, {}) as progress,
    ):
        run_candidates(proposals, 4, _evaluation(tmp_path, "cpu"), evaluate, Resources(2), progress)
    states = [trial.state for trial in store.trials() if trial.repeats is None]
    assert (states[0], set(states[1:])) == ("complete", {"interrupted"})
    again = Proposals(StudyStore.open(store.folder), space)
    assert (again.evaluated, again.running) == (1, 0)
    assert again.ask() is not None

    assert ray.is_initialized()
    with (
        pytest.raises(UsageError, match="3 cores and 0 GPUs are needed at once, and Ray's machines have: 2 cores, 0"),
        SearchProgress(console, 4, {}) as progress,
    ):
        run_candidates(again, 4, _evaluation(tmp_path, "cpu"), evaluate, Resources(3), progress)
    here = ray.get_runtime_context().gcs_address
    for address in (here, "auto"):
        with ray_cluster(address):
            pass
    with pytest.raises(UsageError, match=f"initialised in this process already, at {here}"), ray_cluster("other:1"):
        pass
    assert ray.is_initialized()
