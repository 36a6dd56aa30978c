"""A wheel, installed somewhere empty, finds the files that come with nas-sr."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked into an empty folder, its dependencies left to this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pytest.importorskip("build", reason="needs build: pip install -e '.[dev]'")
    for command in (
        ["build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)],
        ["pip", "install", "--quiet", "--no-deps", "--target", str(folder / "site"), "--no-index", "nas-sr"],
    ):
        extra = [f"--find-links={folder}"] if command[0] == "pip" else []
        run = subprocess.run([sys.executable, "-m", *command, *extra], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    return folder / "site"


def _said(installed: Path, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", "from nas_sr.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed.parent,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_shipped_files_are_in_the_wheel(installed: Path) -> None:
    for kind in ("search_spaces", "hw_profiles", "studies"):
        ours = {path.name for path in (PROJECT / kind).glob("*.yaml")}
        assert ours
        assert {path.name for path in (installed / "nas_sr" / "shipped_files" / kind).glob("*.yaml")} == ours
    calibrations = {path.name for path in (PROJECT / "hw_profiles").glob("*.calibration.json")}
    assert calibrations
    shipped = installed / "nas_sr" / "shipped_files" / "hw_profiles"
    assert {path.name for path in shipped.glob("*.json")} == calibrations
    assert (installed / "nas_sr" / "py.typed").is_file()  # its types are for whoever imports it
    for kind in ("templates", "assets"):
        ours = {path.name for path in (PROJECT / "nas_sr" / "report" / kind).iterdir()}
        assert ours
        assert {path.name for path in (installed / "nas_sr" / "report" / kind).iterdir()} == ours
    # A study's own state never gets in.
    assert not [path for path in (installed / "nas_sr" / "shipped_files" / "studies").iterdir() if path.is_dir()]


def test_installed_command_finds_them(installed: Path) -> None:
    assert "imdeception_x4" in _said(installed, "space", "list")
    assert "96 distinct networks" in _said(installed, "space", "show", "imdeception_x4_quick")
    assert "cpu" in _said(installed, "hw", "list")
    where = subprocess.run(
        [sys.executable, "-c", "from nas_sr import shipped; print(shipped.folder('studies'))"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed.parent,
        capture_output=True,
        text=True,
    ).stdout
    assert str(installed) in where
