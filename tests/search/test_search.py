"""Whole searches through the command line: under Ray Tune, killed, continued, interrupted, refused."""

import random
import signal
import time
from pathlib import Path

import psutil
import pytest
import yaml

from nas_sr.records import StudyRecord
from nas_sr.search.store import StudyStore
from tests.search.quick import ONE_WORKER, answered, finished, start, write_configs


def _record(folder: Path) -> StudyRecord:
    return StudyStore.open(folder / "studies" / "quick").record()


def _kill_all(process: "psutil.Process") -> None:
    """SIGKILL to every process of the search at once: driver, Ray, workers, measuring."""
    tree = [*process.children(recursive=True), process]
    for each in tree:
        each.suspend()
    for each in tree:
        each.kill()
    psutil.wait_procs(tree, timeout=30)


def test_killed_three_times_and_continued(tmp_path: Path) -> None:
    command = [*write_configs(tmp_path), "--budget", "5"]
    chance = random.Random(0)
    seen: dict[str, tuple[float | None, str | None]] = {}
    for _ in range(3):
        process = start(command, tmp_path)
        while process.poll() is None and not StudyStore.exists(tmp_path / "studies" / "quick"):
            time.sleep(0.1)
        time.sleep(chance.uniform(0, 8))  # while Ray still starts, or among the candidates
        if process.poll() is None:
            _kill_all(psutil.Process(process.pid))
        process.communicate()
        if StudyStore.exists(tmp_path / "studies" / "quick"):
            for trial in _record(tmp_path).trials:
                if trial.state == "complete" and trial.repeats is None:
                    assert seen.setdefault(trial.spec.digest, (trial.psnr_db, trial.started)) == (
                        trial.psnr_db,
                        trial.started,
                    )
    result, _ = finished(start(command, tmp_path))
    assert result["complete"] == 5
    assert result["failed"] == 0
    complete = [trial for trial in _record(tmp_path).trials if trial.state == "complete" and trial.repeats is None]
    assert len({trial.spec.digest for trial in complete}) == 5  # none run twice
    kept = {trial.spec.digest: (trial.psnr_db, trial.started) for trial in complete}
    assert seen.items() <= kept.items()  # none lost or changed


def test_search_finds_a_front_and_continues(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    first, said = finished(start([*options, "--budget", "2"], tmp_path))
    assert first["complete"] == 2
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

    again, _ = finished(start([*options, "--budget", "3"], tmp_path))
    assert again["complete"] == 3
    trials = {trial.number: trial for trial in _record(tmp_path).trials}
    assert all(trials[number].state == "complete" for number in (0, 1))
    assert trials[0].latency is not None
    assert len(trials[0].latency.samples_ms) >= 5
    assert [point.step for point in trials[0].curve] == [3, 6]

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
    command = [*options, *ONE_WORKER, "--budget", "9", "--max-latency", "0.001"]
    result, said = finished(start(command, tmp_path))
    assert (result["complete"], result["infeasible"], result["front"]) == (0, 2, [])
    assert "no further network" in said
    for trial in _record(tmp_path).trials:
        assert trial.state == "infeasible"
        assert "on quick-cpu is over the limit of 0.001 ms" in trial.reason
        assert trial.curve == ()


def test_when_the_first_five_fail_the_search_stops_and_says_why(tmp_path: Path) -> None:
    """No network can be run ten million times within the profile's limit."""
    options = write_configs(tmp_path)
    hardware = yaml.safe_load((tmp_path / "quick-cpu.yaml").read_text())
    hardware["protocol"]["iterations"] = 10**7
    (tmp_path / "quick-cpu.yaml").write_text(yaml.safe_dump(hardware))
    _, said = finished(start([*options, "--budget", "9"], tmp_path), status=1)
    last = said.strip().splitlines()[-1]
    assert "the first 5 candidates all failed" in last
    assert "too slow to measure" in last
    trials = [trial for trial in _record(tmp_path).trials if trial.repeats is None]
    assert 5 <= len(trials) <= 7  # those already running end too
    assert all(trial.state == "failed" and trial.reason for trial in trials)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_keeps_the_state_and_leaves_nothing_running(tmp_path: Path, how: signal.Signals) -> None:
    command = [*write_configs(tmp_path), "--budget", "16"]
    process = start(command, tmp_path)
    journal = tmp_path / "studies" / "quick" / "journal.log"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not journal.is_file() or b'"values":[' not in journal.read_bytes()):
        time.sleep(0.1)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    _, said = finished(process, status=130)
    assert "the state is kept" in said
    _, alive = psutil.wait_procs(tree, timeout=20)
    assert alive == []
    trials = _record(tmp_path).trials
    assert any(trial.state == "complete" for trial in trials)
    assert not any(trial.state == "running" for trial in trials)


def test_worker_that_is_killed_costs_its_candidate_only(tmp_path: Path) -> None:
    options = write_configs(tmp_path, steps=400)
    process = start([*options, "--budget", "3"], tmp_path)
    curves = tmp_path / "studies" / "quick" / "trials"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(curves.glob("*/curve.csv")):
        time.sleep(0.1)
    workers: list[psutil.Process] = []
    while time.monotonic() < deadline and not workers:  # between two steps a worker has another name
        tree = psutil.Process(process.pid).children(recursive=True)
        workers = [each for each in tree if each.name().startswith("ray::") and "Trainable" in each.name()]
    busiest = max(workers, key=lambda each: sum(each.cpu_times()[:2]))
    busiest.kill()
    result, _ = finished(process)
    assert (result["complete"], result["failed"]) == (2, 1)
    reasons = [trial.reason for trial in _record(tmp_path).trials if trial.state == "failed"]
    assert reasons == ["its worker process died (out of memory or killed)"]
