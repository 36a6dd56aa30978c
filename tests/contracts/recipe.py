"""The recipes of CONTRIBUTING.md, and how one is followed to the letter in a copy of the sources."""

from __future__ import annotations

import re
import shutil
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


def sources(folder: Path) -> Path:
    """A copy of the sources in `folder`."""
    for name in _COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return folder


def follow(told: Recipe, folder: Path) -> None:
    """Changes a copy of the sources as a section tells."""
    for step in told.steps:
        path = folder / step.path
        if step.replaced is None:
            assert not path.exists(), f"{step.path} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.lines)
        else:
            text = path.read_text()
            assert text.count(step.replaced) == 1, f"{step.path} does not hold, once: {step.replaced}"
            path.write_text(text.replace(step.replaced, step.lines))
