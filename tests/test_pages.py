"""The pages: README's length, links that lead somewhere, and commands that the real command line takes."""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from typer.main import get_command

from nas_sr import __version__, shipped
from nas_sr.cli import reference
from nas_sr.cli.main import app, run
from nas_sr.data.images import read_rgb, write_png
from nas_sr.yaml_file import load_yaml
from tests.search.made_study import made_study
from tests.search.quick import SPACE, answered, quick_cpu, searched, write_configs
from tests.search.without_ray import without_ray

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("studies/*.md"), *ROOT.glob("reports/*.md")]
)
_NOT_OURS = {"make", "sudo", "ssh", "ssh-keygen", "ssh-copy-id", "export", "python3", ".venv/bin/pytest", "pytest"}
_NOT_OURS |= {".venv/bin/ruff", "git"}


class Line(NamedTuple):
    """A command of a page."""

    page: Path
    text: str

    @property
    def words(self) -> list[str]:
        """As a shell would split it, without what follows `&&` or a comment."""
        return shlex.split(self.text.split(" && ")[0], comments=True)


def _lines(page: Path) -> Iterator[Line]:
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / page).read_text(), re.M | re.S):
        for text in block.splitlines():
            if text.strip() and not text.strip().startswith("#"):
                yield Line(page, text.strip())


LINES = [line for page in PAGES for line in _lines(page)]
OURS = [line for line in LINES if line.words[0] == "nas-sr"]


def test_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_pages_have_commands() -> None:
    assert len(OURS) > 40
    assert {line.page.name for line in OURS} >= {"README.md", "targets.md", "CONTRIBUTING.md", "command_line.md"}


@pytest.mark.parametrize("line", OURS, ids=lambda line: f"{line.page.name}: {line.text[:60]}")
def test_command_is_one_that_the_command_line_takes(line: Line) -> None:
    """Verb, arguments and options, with their kinds; the work itself is tested where the verbs are."""
    _parse(line.words[1:])


@pytest.mark.parametrize("line", [line for line in LINES if line not in OURS], ids=lambda line: line.text[:60])
def test_other_command_is_there(line: Line) -> None:
    words = line.words
    if words[0] == "python":
        assert words[1] == "-m"
        assert importlib.util.find_spec(words[2]), words[2]
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert words[1] in targets
    else:
        assert words[0] in _NOT_OURS
    for word in words[1:]:
        if word.startswith("tests/"):
            assert (ROOT / word).exists(), word


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert found.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in _anchors(found), f"{page}: {target}"


def test_readme_leads_from_nothing_to_an_exported_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its commands one after another as they are written; only networks, images and trainings are small."""
    write_configs(tmp_path)
    study = load_yaml(tmp_path / "study.yaml") | {"space": "imdeception_x4_quick", "hw": "cpu"}
    for kind, name, value in (
        ("search_spaces", "imdeception_x4_quick", SPACE),
        ("hw_profiles", "cpu", {**quick_cpu(), "name": "cpu"}),
        ("studies", "default", study),
    ):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.yaml").write_text(yaml.safe_dump(value))
    monkeypatch.setattr(shipped, "folder", lambda kind: tmp_path / kind)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    write_png(place / "photo.png", np.full((16, 24, 3), 90, np.uint8))
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"^## From nothing.*?^```sh\n(.*?)^```", text, re.M | re.S)
    commands = [Line(Path("README.md"), line).words for line in block.splitlines() if line.startswith("nas-sr ")]
    assert [words[1] for words in commands] == ["doctor", "search", "report", "export", "upscale"]
    with without_ray():
        for words in commands:
            assert run(words[1:]) == 0, words
    assert read_rgb(place / "large.png").shape == (64, 96, 3)
    assert (place / "reports" / "first" / "index.html").is_file()
    assert {path.name for path in (place / "bundles" / "first").iterdir()} >= {"spec.json", "model.onnx", "train.yaml"}


def test_command_line_page_is_current() -> None:
    assert (ROOT / reference.PAGE).read_text() == reference.page(), f"out of date; run: {reference.COMMAND}"


def test_documented_keys_are_those_of_the_answers(tmp_path: Path) -> None:
    """Of the verbs that answer at once, and of a search; those of the others are held by the tests of the verbs."""
    table = re.search(r"^## Answers.*", (ROOT / "docs/file_formats.md").read_text(), re.M | re.S)
    assert table
    keys = {
        verb: re.sub(r" \(.*?\)", "", text) for verb, text in re.findall(r"^\| `([^`]+)` \| (.*) \|$", table[0], re.M)
    }
    made_study(tmp_path / "studies" / "made")
    studies = ["--studies", str(tmp_path / "studies")]
    write_configs(tmp_path)
    for arguments in (
        ["describe", "imdeception-c4"],
        ["report", "made", *studies, "--reports", str(tmp_path / "reports")],
        ["show", "made", *studies],
        ["export", "made", "--knee", *studies, "--out", str(tmp_path / "bundle")],
        ["measure", "made:0", *studies, "--hw", str(tmp_path / "quick-cpu.yaml")],
        ["space", "show", "imdeception_x4_quick"],
        ["hw", "list"],
    ):
        answer, _ = answered([*arguments, "--json"])
        verb = " ".join(arguments[:2]) if arguments[0] in ("space", "hw") else arguments[0]
        assert set(keys.pop(verb).split(", ")) <= answer.keys(), verb
    search = ["search", "--config", str(tmp_path / "study.yaml"), *studies, "--reports", str(tmp_path / "reports")]
    answer, _ = searched([*search, "--budget", "1", "--json"])
    assert set(keys.pop("search").split(", ")) <= answer.keys()


def test_every_module_that_a_page_names_is_there() -> None:
    for page in PAGES:
        if page.name in ("CHANGELOG.md", "CONTRIBUTING.md"):  # the one names what was, the other what may be
            continue
        for named in re.findall(r"`(nas_sr/[a-z_/.]+)`", (ROOT / page).read_text()):
            assert (ROOT / named).exists(), f"{page}: {named}"


def test_contributing_says_where_twelve_things_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (?!I look|---)[^|]+\| ([^|]+) \|$", text, re.M)
    assert len(rows) == 12
    for row in rows:
        first = re.findall(r"`(nas_sr/[a-zA-Z_/.]+)`", row)[0]
        parts = re.split(r"/?[A-Z]+", first)[0]  # up to what stands for a name
        assert (ROOT / parts).exists(), first


def test_changelog_has_this_version() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased"
    assert headings[1] == __version__


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _parse(words: list[str]) -> None:
    """Raises what the command line raises for a verb or an option that is not there, or a value of another kind."""
    command: Any = get_command(app)
    context = command.make_context("nas-sr", list(words[:1]), resilient_parsing=True)
    names = list(words)
    with redirect_stderr(io.StringIO()):
        while hasattr(command, "commands"):
            name = names.pop(0)
            assert name in command.commands, f"no verb '{name}'"
            command = command.commands[name]
        command.make_context(command.name, names, parent=context)
