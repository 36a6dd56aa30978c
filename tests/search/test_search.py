"""Whole searches through the command line: under Ray Tune, killed, continued, interrupted, refused."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import yaml

from nas_sr.device_program.cores import usable_cpus
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.records import StudyRecord
from nas_sr.search import candidate_training
from nas_sr.search.evaluation import Evaluation
from nas_sr.search.store import StudyStore
from tests.search.quick import answered, finished, searched, start, write_configs

# Importing PyTorch and Ray is most of what a worker does in a search that is killed.
ONE_WORKER = ("--cpus-per-trial", str(usable_cpus()))


def _record(folder: Path) -> StudyRecord:
    return StudyStore.open(folder / "studies" / "quick").record()


def _kill_all(process: psutil.Process) -> None:
    """SIGKILL to every process of the search at once: driver, Ray, workers, measuring."""
    tree = [*process.children(recursive=True), process]
    for each in tree:
        each.suspend()
    for each in tree:
        each.kill()
    psutil.wait_procs(tree, timeout=30)


def _begun(command: list[str], folder: Path, more: bool) -> subprocess.Popen[str]:
    """A search that has just made its study or, with `more`, told another outcome."""
    journal = folder / "studies" / "quick" / "journal.log"

    def told() -> int:
        return journal.read_bytes().count(b'"values":[') if journal.is_file() else -1

    before = told()
    process = start(command, folder)
    deadline = time.monotonic() + 300
    while not (told() > before if more else StudyStore.exists(journal.parent)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def _interrupted(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Interrupts a search, which keeps the state and leaves nothing running."""
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:  # Python drops what comes while it forks: a user presses the keys again
        process.send_signal(how)
    _, said = finished(process, status=130)
    assert "the state is kept" in said
    _, alive = psutil.wait_procs(tree, timeout=60)
    assert alive == []


def test_killed_interrupted_and_continued_it_loses_and_repeats_nothing(tmp_path: Path) -> None:
    command = [*write_configs(tmp_path), *ONE_WORKER, "--budget", "16"]
    seen: dict[str, tuple[float | None, str | None]] = {}

    def nothing_lost() -> None:
        trials = _record(tmp_path).trials
        complete = [trial for trial in trials if trial.state == "complete" and trial.repeats is None]
        now = {trial.spec.digest: (trial.psnr_db, trial.started) for trial in complete}
        assert len(now) == len(complete)  # none run twice
        assert seen.items() <= now.items()  # none lost or changed
        seen.update(now)

    # Before Ray runs; and among the candidates.
    for more in (False, True):
        process = _begun(command, tmp_path, more)
        _kill_all(psutil.Process(process.pid))
        process.communicate()
        nothing_lost()
    for how in (signal.SIGINT, signal.SIGTERM):
        _interrupted(_begun(command, tmp_path, more=True), how)
        nothing_lost()
        assert not any(trial.state == "running" for trial in _record(tmp_path).trials)
    assert seen
    result, _ = searched([*command[:-1], str(len(seen) + 1)])
    assert (result["complete"], result["failed"]) == (len(seen) + 1, 0)
    nothing_lost()


def _busiest_worker(process: subprocess.Popen[str]) -> psutil.Process:
    """The worker of a search that has done most so far."""
    deadline = time.monotonic() + 300
    workers: list[psutil.Process] = []
    while time.monotonic() < deadline and not workers:  # between two steps a worker has another name
        tree = psutil.Process(process.pid).children(recursive=True)
        workers = [each for each in tree if each.name().startswith("ray::") and "Trainable" in each.name()]
    return max(workers, key=lambda each: sum(each.cpu_times()[:2]))


def _trains(folder: Path) -> None:
    """Returns once a candidate has been validated."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not list((folder / "studies" / "quick" / "trials").glob("*/curve.csv")):
        time.sleep(0.1)


def test_search_finds_a_front_though_a_worker_is_killed_and_continues(tmp_path: Path) -> None:
    options = write_configs(tmp_path, steps=100, validate_every=50)
    process = start([*options, "--budget", "2"], tmp_path)
    _trains(tmp_path)
    _busiest_worker(process).kill()
    first, said = finished(process)
    assert (first["complete"], first["failed"]) == (2, 0)
    assert said.count("tried once more: its worker process died (out of memory or killed)") == 1
    assert first["study"] == "quick"
    assert "demonstration set" in said
    for point in first["front"]:
        assert point["latency_ms"] > 0
        assert point["latency_kind"] == "measured"
        folder = tmp_path / "studies" / "quick" / "trials" / str(point["trial"])
        assert {path.name for path in folder.iterdir()} == {
            "spec.json", "latency.json", "curve.csv", "weights.safetensors", "result.json", "stages.json",
        }  # fmt: skip
    assert Path(first["report"]).is_file()

    again, _ = searched([*options, "--budget", "3"])
    assert again["complete"] == 3
    trials = {trial.number: trial for trial in _record(tmp_path).trials}
    assert all(trials[number].state == "complete" for number in (0, 1))
    assert trials[0].latency is not None
    assert len(trials[0].latency.samples_ms) >= 5
    assert [point.step for point in trials[0].curve] == [50, 100]

    # The same name with another config is refused, and what differs is said; nothing is changed.
    _, said = answered([*options, "--budget", "4", "--seed", "5"], status=2)
    assert said.count("\n") == 1
    assert "seed was 0 and is now 5" in said
    space = yaml.safe_load((tmp_path / "space.yaml").read_text())
    space["parameters"]["core"].append(6)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    _, said = answered([*options, "--budget", "4"], status=2)
    assert "space.parameters.core.2 was None and is now 6" in said
    assert len(_record(tmp_path).trials) == len(trials)


def test_too_slow_candidates_are_never_trained_and_a_space_without_further_networks_ends_the_search(
    tmp_path: Path,
) -> None:
    options = write_configs(tmp_path)
    space = yaml.safe_load((tmp_path / "space.yaml").read_text())
    space["parameters"] = {"core": [2], "gidbs": [1], "groups": [1, 2]}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    result, said = searched([*options, "--budget", "9", "--max-latency", "0.001"])
    assert (result["complete"], result["infeasible"], result["front"]) == (0, 2, [])
    assert "no further network" in said
    for trial in _record(tmp_path).trials:
        assert trial.state == "infeasible"
        assert "on quick-cpu is over the limit of 0.001 ms" in trial.reason
        assert trial.curve == ()


def test_when_five_in_a_row_fail_for_one_reason_the_search_stops_says_why_and_charges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(evaluation: Evaluation, spec: ImdeceptionSpec, seed: int) -> None:
        raise ValueError(f"{spec.core} channels cannot be built")

    with monkeypatch.context() as patch:
        patch.setattr(candidate_training, "starting_network", build)
        _, said = searched([*write_configs(tmp_path), "--budget", "9"], status=1)
    last = said.strip().splitlines()[-1]
    assert "5 candidates in a row failed for one reason" in last
    assert "channels cannot be built" in last
    assert "0 complete, 0 infeasible, 0 failed" in last
    trials = [trial for trial in _record(tmp_path).trials if trial.repeats is None]
    assert len(trials) == 5
    assert all(trial.state == "interrupted" and "cannot be built" in trial.reason for trial in trials)
    # Once the cause is gone, the same command works.
    result, _ = searched([*write_configs(tmp_path), "--budget", "2"])
    assert (result["complete"], result["failed"]) == (2, 0)


def test_killed_driver_leaves_nothing_running_and_nothing_lost(tmp_path: Path) -> None:
    """SIGKILL to the search alone: Ray, its workers and what they measure end by themselves."""
    command = [*write_configs(tmp_path, steps=4000, validate_every=20), *ONE_WORKER, "--budget", "3"]
    process = start(command, tmp_path)
    _trains(tmp_path)
    tree = psutil.Process(process.pid).children(recursive=True)
    assert any(each.name().startswith("ray::") for each in tree)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(tree, timeout=60)
    assert [each.name() for each in alive] == []
    assert {trial.state for trial in _record(tmp_path).trials} == {"running"}  # given back by the next search
