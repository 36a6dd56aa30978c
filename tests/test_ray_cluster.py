"""Ray of one command, on machines that are slow or set up unluckily."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest


def test_slow_start_is_tried_again_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own wait is 30 s and fixed, and what it started goes on running when it gives up."""
    from nas_sr import ray_cluster

    started: list[psutil.Popen] = []

    def slow(**_: object) -> None:
        started.append(psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        if len(started) == 1:
            raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray_cluster.ray, "init", slow)
    with ray_cluster.ray_cluster():
        assert started[0].wait(timeout=60) != 0
        assert started[1].is_running()
    started[1].kill()
    started[1].wait()


def test_ray_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Sockets have short names only, and Ray puts them below TMPDIR."""
    long = tmp_path / ("long" * 25)
    long.mkdir()
    start = [sys.executable, "-c", "from nas_sr.ray_cluster import ray_cluster\nwith ray_cluster(): pass"]
    ended = subprocess.run(start, env={"TMPDIR": str(long)}, capture_output=True, text=True, timeout=300)
    assert ended.returncode
    assert "WorkError: Ray does not start on this machine, after 3 tries: " in ended.stderr
    assert "path length cannot exceed 107 bytes" in ended.stderr
