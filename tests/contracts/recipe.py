"""Follows a recipe of CONTRIBUTING.md to the letter, in a copy of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_COPIED = (
    "nas_sr",
    "search_spaces",
    "hw_profiles",
    "studies/default.yaml",
    "tests",
    "pyproject.toml",
    "constraints.txt",
)


class Step(NamedTuple):
    """A new file, or lines that take the place of others in a file that is there."""

    path: str
    lines: str
    replaced: str | None


class Recipe(NamedTuple):
    """What a section tells to write and to change."""

    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        """Those in files that were there before."""
        return tuple(step for step in self.steps if step.replaced is not None)


def recipe(heading: str) -> Recipe:
    """The section of that heading. A fenced block belongs to the path in backticks that ends the line before it."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    blocks = re.findall(r"`([^`\n]+)`:?\n\n?```(\w+)\n(.*?)^```$", section, flags=re.M | re.S)
    return Recipe(tuple(_step(path, kind, block) for path, kind, block in blocks if kind != "sh"))


def _step(path: str, kind: str, block: str) -> Step:
    if kind != "diff":
        return Step(path, block, None)
    lines = block.splitlines(keepends=True)
    assert all(line[0] in "-+" for line in lines), f"{path}: a diff of this page has only lines that go and come"
    gone = "".join(line[1:] for line in lines if line[0] == "-")
    come = "".join(line[1:] for line in lines if line[0] == "+")
    assert gone, f"{path}: nothing says where the new lines go"
    return Step(path, come, gone)


def followed(heading: str, folder: Path) -> Path:
    """A copy of the sources in `folder`, changed as the section tells."""
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    for step in recipe(heading).steps:
        path = folder / step.path
        if step.replaced is None:
            assert not path.exists(), f"{step.path} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.lines)
        else:
            text = path.read_text()
            assert text.count(step.replaced) == 1, f"{step.path} does not hold, once: {step.replaced}"
            path.write_text(text.replace(step.replaced, step.lines))
    return folder


def run_there(folder: Path, *arguments: str) -> str:
    """What Python prints when it runs with the changed sources."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SEARCH = """
import json, sys
from pathlib import Path
import yaml
from tests.search.quick import searched, write_configs
folder = Path(sys.argv[1])
options = write_configs(folder)
study = yaml.safe_load((folder / "study.yaml").read_text()) | json.loads(sys.argv[2])
(folder / "study.yaml").write_text(yaml.safe_dump(study))
answer, said = searched([*options, "--budget", "2", *sys.argv[3:]])
print(json.dumps(answer))
"""
