"""Whole searches whose latencies come from a device over ssh: a real server on loopback, Python 3.8 there."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest
import yaml

from nas_sr.measure.measurement import Measurement
from nas_sr.search.store import StudyStore
from tests.own_cache import use_own_cache
from tests.search.quick import answered, searched, write_configs
from tests.sshd import Server


def _options(folder: Path, device: Server, python: Path) -> list[str]:
    """A quick search on the device."""
    options = write_configs(folder)
    ssh = device.reached(str(python)).model_dump(exclude_none=True)
    protocol = {"retries": 6, "retry_pause_s": 0.2}
    drone = {"extends": "quick-cpu.yaml", "name": "drone", "title": "a drone", "ssh": ssh, "protocol": protocol}
    (folder / "drone.yaml").write_text(yaml.safe_dump(drone))
    return [*options, "--hw", str(folder / "drone.yaml")]


def _measured_there(folder: Path) -> list[bool]:
    """For each complete trial, whether its latency was measured by the Python on the device."""
    record = StudyStore.open(folder / "studies" / "quick").record()
    return [
        isinstance(trial.latency, Measurement) and trial.latency.versions["python"].startswith("3.8.")
        for trial in record.trials
        if trial.state == "complete"
    ]


def test_search_survives_cut_connections_and_killed_programs(tmp_path: Path, device: Server, python38: Path) -> None:
    over, misfortunes = threading.Event(), []

    def befall() -> None:
        while not over.is_set() and len(misfortunes) < 2:
            running = device.started() if StudyStore.exists(tmp_path / "studies" / "quick") else []
            if running and not misfortunes:
                device.cut()
                misfortunes.append("cut")
            elif running:
                try:
                    running[-1].kill()
                    misfortunes.append("killed")
                except psutil.NoSuchProcess:
                    pass
            over.wait(1.5 if running else 0.1)

    fate = threading.Thread(target=befall)
    fate.start()
    try:
        result, said = searched([*_options(tmp_path, device, python38), "--budget", "2"])
    finally:
        over.set()
        fate.join()
    assert misfortunes
    assert (result["complete"], result["failed"]) == (2, 0), said
    assert all(_measured_there(tmp_path))
    assert device.started() == []


def test_silent_device_is_predicted_for_and_measured_once_it_answers(
    tmp_path: Path, device: Server, python38: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = _options(tmp_path, device, python38)
    drone = str(tmp_path / "drone.yaml")
    calibrate = ["hw", "calibrate", drone, "--space", str(tmp_path / "space.yaml"), "--points", "5", "--json"]
    calibrated, _ = answered(calibrate)
    assert Path(calibrated["calibration"]) == tmp_path / "drone.calibration.json"
    assert calibrated["points"] == 5

    use_own_cache(tmp_path / "cache", monkeypatch, (24, 24))  # what is known already is not predicted
    device.stop()
    command = [*options, "--budget", "2"]
    result, said = searched(command)
    assert "drone is not measured now" in said
    assert "PREDICTED" in said
    assert f"127.0.0.1:{device.port}" in said
    assert {point["latency_kind"] for point in result["front"]} == {"predicted"}
    for point in result["front"]:
        assert point["low_ms"] < point["latency_ms"] < point["high_ms"]
    assert not any(_measured_there(tmp_path))
    page = (tmp_path / "reports" / "quick" / "index.html").read_text()
    assert "predicted" in page

    device.start()
    result, said = searched(command)
    assert "that was predicted" in said
    assert (result["complete"], {point["latency_kind"] for point in result["front"]}) == (2, {"measured"})
    assert all(_measured_there(tmp_path))


def test_uncertain_measures_the_front_and_leaves_no_guess_unmarked(tmp_path: Path) -> None:
    options = write_configs(tmp_path)
    hw = str(tmp_path / "quick-cpu.yaml")
    calibrate = ["hw", "calibrate", hw, "--space", str(tmp_path / "space.yaml"), "--points", "6", "--json"]
    answered(calibrate)
    result, _ = searched([*options, "--budget", "6", "--measure", "uncertain"])
    assert {point["latency_kind"] for point in result["front"]} == {"measured"}
    for trial in StudyStore.open(tmp_path / "studies" / "quick").record().trials:
        assert trial.latency is not None
        if trial.latency.kind == "predicted":
            assert "predicted" in trial.reason
            assert trial.number not in [point["trial"] for point in result["front"]]
