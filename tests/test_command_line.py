"""Commands that are printed run as printed, in a real shell, whatever the names in them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.cli.fronts import print_next
from nas_sr.cli.main import run
from nas_sr.command_line import command, reports_option, studies_option
from nas_sr.export import bundle
from nas_sr.names import study_trial
from nas_sr.report.data.front_info import unmeasured
from nas_sr.search.store import StudyStore, study_folder
from tests.report.opened_page import opened
from tests.report.study_records import prediction, study, trial
from tests.search.made_study import made_study

NAMES = [
    "a b", "two  spaces", "it's", '"quoted"', "$HOME", "`id`", "-x", "--knee", "--", "7", "a:3", "a:smile:b", "~",
    "#no", "*?", "a;rm -rf b", "ä&ö", "{a,b}", "!!", "back\\slash", "[bold]", "=x", "(y)", " leading",
]  # fmt: skip


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Gives the words that nas-sr gets when a line is given to a shell."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "nas-sr"
    program.write_text(f"#!{sys.executable} -S\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    program.chmod(0o755)

    def words(line: str) -> list[str]:
        done = subprocess.run(
            ["sh", "-c", line], env={"PATH": f"{folder}:/bin:/usr/bin", "HOME": "/"}, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    return words


TEXT = st.text(st.characters(blacklist_characters="\0", codec="utf-8"))
WORDS = TEXT | TEXT.map("-{}".format)


@given(arguments=st.lists(WORDS, max_size=3), value=WORDS)
def test_any_words_come_back_as_they_were(arguments: list[str], value: str) -> None:
    words = shlex.split(command("hw calibrate", *arguments, options={"--out": value, "--json": True, "--no": None}))
    assert words[:3] == ["nas-sr", "hw", "calibrate"]
    if any(argument.startswith("-") for argument in arguments):
        assert words[-len(arguments) - 1 :] == ["--", *arguments]
    else:
        assert words[3 : 3 + len(arguments)] == arguments
    assert "--json" in words
    assert "--no" not in words or "--no" in (value, *arguments)
    assert f"--out={value}" in words if value.startswith("-") else value in words


@pytest.mark.parametrize("name", NAMES)
def test_next_commands_of_a_study_of_any_name(
    name: str, shell, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the report's page to the export, and to what that prints; each line goes through a shell."""
    monkeypatch.chdir(tmp_path)
    # What is in the file does not depend on a name, and to export it is most of the work.
    monkeypatch.setattr(bundle, "export_onnx", lambda network, path: path.touch())
    monkeypatch.setattr(bundle, "write_sample", lambda network, training, label, path: path.touch())
    folder = Path("my $(studies)", name)
    made_study(folder)
    where = ["--studies", str(folder.parent), "--reports", "-reports"]
    assert run(["report", *where, "--", name]) == 0
    page = Path(capsys.readouterr().out.splitlines()[0])
    assert page == Path("-reports", name, "index.html")
    found = re.search(r'data-command="([^"]+)"', opened(page.read_text()))
    assert found
    assert run(shell(unescape(found[1]))) == 0
    assert f"{Path('bundles', name)}-0: trial 0" in capsys.readouterr().out

    print_next(StudyStore.read(folder).record())
    line = capsys.readouterr().out.removeprefix("next:").strip()
    assert run([*shell(line)[:1], "--out", f"-out {name}", *shell(line)[1:]]) == 0
    said = capsys.readouterr().out.splitlines()
    assert shell(said[-1].removeprefix("next:"))[-1] == f"-out {name}"
    card = Path(f"-out {name}", "README.md").read_text()
    lines = re.findall(r"^    (nas-sr .*)$", card, re.MULTILINE)
    assert [shell(line)[0] for line in lines] == ["train", "evaluate", "upscale", "measure", "export", "verify"]
    assert run(["describe", "--", next(word for word in shell(lines[3]) if word.endswith("spec.json"))]) == 0

    trial_of = study_trial(f"{name}:1", folder.parent)
    assert trial_of
    assert (trial_of[0].name, trial_of[1].number) == (name, 1)


def test_measuring_commands_repeat_the_folders_and_quote(shell) -> None:
    record = study([trial(0, latency=prediction(10.0))], name="-a b").model_copy(update={"study_dir": "/my data/-a b"})
    found = unmeasured(record, Path("/all reports"))
    assert found
    assert shell(found.command) == [
        "search", "--name=-a b", "--studies", "/my data", "--reports", "/all reports", "--budget", "1",
    ]  # fmt: skip
    other = record.model_copy(update={"targets": ("cpu", "-board"), "target": "-board", "hw": "/my boards/b.yaml"})
    found = unmeasured(other, Path("reports"))
    assert found
    assert shell(found.command) == ["retarget", "--studies", "/my data", "--hw", "/my boards/b.yaml", "--", "-a b"]


def test_folders_are_repeated_only_where_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_SR_STUDIES", raising=False)
    assert (studies_option("studies/a"), reports_option(Path("reports"))) == ({}, {})
    assert studies_option("other/a") == {"--studies": Path("other")}
    monkeypatch.setenv("NAS_SR_STUDIES", "other")  # the default is another one now
    assert studies_option("studies/a") == {"--studies": Path("studies")}


def test_study_by_a_path_without_a_name_has_that_of_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_study(tmp_path / "all" / "s")
    monkeypatch.chdir(tmp_path / "all" / "s" / "trials")
    for text, here in ((".", tmp_path / "all" / "s"), ("..", tmp_path / "all" / "s" / "trials")):
        monkeypatch.chdir(here)
        assert run(["report", text, "--reports", str(tmp_path / "reports")]) == 0
        assert capsys.readouterr().out.splitlines()[0] == str(tmp_path / "reports" / "s" / "index.html")
    assert not (tmp_path / "reports" / "index.html").exists()


def test_name_means_the_study_in_the_folder_of_studies_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made_study(Path("studies", "s"))
    made_study(Path("s"))
    made_study(Path("t"))
    assert study_folder("s", Path("studies")) == Path("studies/s")
    assert study_folder("./s", Path("studies")) == study_folder("s/", Path("studies")) == Path("s")
    assert study_folder("t", Path("studies")) == Path("t")


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "/tmp/x", "../x", "a\nb", "a\tb", "\x1b[31m", "x" * 300])
def test_names_that_no_study_can_have_are_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["search", f"--name={name}", "--budget", "1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("nas-sr: --name must ")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["s:²", "s:٣", "s:" + "9" * 12, "s:-1", "s:", ":3"])
def test_what_only_looks_like_a_trial_is_an_unknown_name(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["describe", "--studies", str(tmp_path), "--", text]) == 2
    assert "unknown preset" in capsys.readouterr().err


def test_errors_keep_names_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "two  spaces", "--studies", str(tmp_path)]) == 2
    assert f"{tmp_path}/two  spaces: no study there" in capsys.readouterr().err
