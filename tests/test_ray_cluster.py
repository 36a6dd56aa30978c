"""Ray of one command, on machines that are slow or set up unluckily."""

import os
import sys
from pathlib import Path

import psutil
import pytest
from ray._common.utils import get_default_ray_temp_dir
from ray._private.utils import validate_socket_filepath

from nas_sr.cli.main import run
from nas_sr.errors import UsageError, WorkError


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


def test_folder_too_long_for_rays_sockets_is_refused_before_ray_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets have short paths only, and Ray puts them below TMPDIR; as long as Ray allows is allowed."""
    from nas_sr import ray_cluster

    started: list[str] = []

    def init(**_: object) -> None:
        """As Ray does, with its own rule for the length."""
        session = f"session_2025-01-01_00-00-00_000000_{os.getpid()}"
        validate_socket_filepath(os.path.join(get_default_ray_temp_dir(), session, "sockets", "plasma_store"))
        started.append(os.environ["TMPDIR"])

    monkeypatch.setattr(ray_cluster.ray, "init", init)
    monkeypatch.setattr(ray_cluster.ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    longest = 107 - len(f"/ray/session_2025-01-01_00-00-00_000000_{os.getpid()}/sockets/plasma_store")
    for length in range(longest - 5, longest + 20):
        monkeypatch.setenv("TMPDIR", "/" + "t" * (length - 1))
        if length <= longest:
            with ray_cluster.ray_cluster():
                assert len(started[-1]) == length
        else:
            said = f"TMPDIR is too long for Ray.* shorten it by {length - longest} or more, for instance TMPDIR=/tmp"
            with pytest.raises(UsageError, match=said), ray_cluster.ray_cluster():
                pass
    assert len(started) == 6
    monkeypatch.setenv("TMPDIR", "/" + "ü" * (longest // 2 + 1))  # bytes are counted, not letters
    with pytest.raises(UsageError, match="TMPDIR is too long"), ray_cluster.ray_cluster():
        pass
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")  # which Ray prefers
    with ray_cluster.ray_cluster():
        pass
    monkeypatch.setenv("RAY_TMPDIR", "/" + "t" * 100)
    with pytest.raises(UsageError, match="RAY_TMPDIR=/tmp"), ray_cluster.ray_cluster():
        pass


def test_ray_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas_sr import ray_cluster

    tried: list[int] = []

    def broken(**_: object) -> None:
        tried.append(1)
        raise OSError("no room for the object store\nand more")

    monkeypatch.setattr(ray_cluster.ray, "init", broken)
    said = "Ray does not start on this machine, after 3 tries: no room for the object store$"
    with pytest.raises(WorkError, match=said), ray_cluster.ray_cluster():
        pass
    assert len(tried) == 3


def test_search_looks_at_the_folder_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 25)))
    assert run(["search", "--budget", "1", "--studies", str(tmp_path / "studies")]) == 2
    said = capsys.readouterr().err
    assert "TMPDIR is too long for Ray" in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
