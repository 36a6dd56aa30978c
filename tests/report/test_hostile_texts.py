"""Texts that come from outside are shown as texts: whatever is in them, they end no element, script or template."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from nas_sr.records import StudyRecord
from tests.report.opened_page import page
from tests.report.study_records import baseline as baseline_of
from tests.report.study_records import finalist, measurement, on_board, prediction, study, trial
from tests.report.test_page_in_browser import CHROMIUM, browse

MARKS = {
    "element": "<script>alert(1)</script>",
    "attribute": """"'>&<img src=x onerror=alert(1)>&lt;""",
    "end of a script": "</script><!--<script>alert(2)</script>",
    "template": "{{7*7}}{% raw %}{#",
    "Plotly": "<b>bold</b><br>%{x} @ink",
    "variable": "@ink",
}


def hostile(where: str, mark: str) -> str:
    """A mark with the name of its place; the mark stands first, where it can do most."""
    return f"{mark} {where}" if mark != MARKS["variable"] else mark


def hostile_studies(mark: str) -> list[StudyRecord]:
    """A study on two targets that has the mark in every text that somebody outside can choose."""

    def text(where: str) -> str:
        return hostile(where, mark)

    trials = [
        trial(0, psnr_db=25.0, latency=measurement(3.0, labels=(text("note"),))),
        trial(1, psnr_db=26.0, latency=finalist(5.0, stable=False, labels=(text("instability"),))),
        trial(2, state="failed", reason=text("reason")),
    ]
    vars(trials[0])["preset"] = text("preset")  # of the families' own presets, none is called so
    expected = prediction(7.0, source=text("source"), labels=(text("label"),))
    baselines = [
        baseline_of(text("baseline"), 25.9, expected).model_copy(
            update={"note": text("note of a baseline"), "convention": text("convention")}
        ),
        baseline_of("plain", 25.5, measurement(4.0, stable=False, labels=(text("note of a measured baseline"),))),
    ]
    environment = {"data": {"description": text("data")}, text("section"): {text("key"): [text("value")]}}
    record = study(
        trials,
        name=text("study"),
        environment=environment,
        config={text("option"): text("chosen")},
        importances={"psnr_db": {text("parameter"): 0.7}, "latency_ms": {text("parameter"): 0.3}},
    )
    names = [text("first target"), text("second target") + " ."]
    return [
        one.model_copy(update={"target": name, "targets": tuple(names), "target_title": text("title")})
        for one, name in zip(on_board(record, lambda one: expected, baselines=baselines), names, strict=True)
    ]


class Document(HTMLParser):
    """What a browser makes of a page: elements, attributes and texts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: dict[str, int] = {}
        self.texts: list[str] = []
        self.values: list[str] = []
        self.scripts: list[str] = []
        self.open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "span":  # a command has one for each of its words
            self.elements[tag] = self.elements.get(tag, 0) + 1
        self.values += [value or "" for _, value in attrs]
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.open = tag

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open == "script" else self.texts).append(data)


def strings(value: Any) -> Iterator[str]:
    """Every text in a chart."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_page_has_them_as_texts(mark: str) -> None:
    plain, found = (Document(page(hostile_studies(each))) for each in ("plain", mark))
    assert found.elements == plain.elements  # nothing that was not there became an element
    said = " ".join(" ".join(found.texts).split())
    for where in (
        *("study", "title", "first target", "preset", "note", "instability", "reason", "source", "label"),
        *("baseline", "convention", "data", "section", "key", "value", "option", "chosen"),
    ):
        assert " ".join(hostile(where, mark).split()) in said
    assert hostile("note of a baseline", mark) in found.values
    assert hostile("note of a measured baseline", mark) in found.values
    assert hostile("reason", mark) in found.values


@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_charts_have_them_as_texts(mark: str) -> None:
    charts = json.loads(Document(page(hostile_studies(mark))).scripts[0])
    drawn = list(strings(charts))
    assert {tag for text in drawn for tag in re.findall(r"</?([^\s<>/]+)", text)} <= {"b", "br", "i", "extra"}
    texts = {unescape(text) for text in drawn}
    assert hostile("baseline", mark) in texts
    assert hostile("preset", mark) in texts
    assert hostile("parameter", mark) in texts
    assert any(hostile("first target", mark) in text for text in texts)
    assert mark != "@ink" or "&#64;ink" in drawn  # else the page would paint it as its colour of that name


def test_nothing_but_templates_and_own_files_is_taken_for_html() -> None:
    folder = Path(str(resources.files("nas_sr.report")))
    for path in folder.rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Markup"]
        literal = [call for call in named if len(call.args) == 1 and isinstance(call.args[0], ast.Constant)]
        assert len(named) == len(literal) or path.name == "rendering.py", path
    templates = list(folder.rglob("*.jinja"))
    assert templates
    for path in templates:
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", path.read_text()), path


# Runs after the page's own script and leaves what a reader sees.
SEEN = """
<script>
(async () => {
  const seen = { requests: [], ran: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  window.alert = (text) => seen.ran.push(text);
  await new Promise((done) => setTimeout(done, 500));
  document.querySelectorAll("[name=target]")[1].click();
  await new Promise((done) => setTimeout(done, 500));
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
  const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
  seen.title = document.title;
  seen.study = document.querySelector("h1").textContent;
  seen.notes = visible(".trials td.notes span").map((one) => one.textContent);
  seen.names = texts(".chart .textpoint text");
  seen.axes = texts(".chart .xtitle");
  seen.ticks = texts(".chart .ytick text");
  seen.hash = decodeURIComponent(location.hash.replaceAll("+", " "));
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
</body>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_browser_shows_them_as_texts(mark: str, tmp_path: Path) -> None:
    seen, messages = browse(hostile_studies(mark), tmp_path, SEEN)
    assert messages == []
    assert (seen["requests"], seen["ran"]) == ([], [])
    assert seen["title"] == " ".join(f"{hostile('study', mark)}: nas-sr report".split())
    assert seen["study"] == hostile("study", mark)
    assert hostile("reason", mark) in seen["notes"]
    assert hostile("baseline", mark) in seen["names"]
    assert any(hostile("preset", mark) in name for name in seen["names"])
    assert any(hostile("second target", mark) in title for title in seen["axes"])
    assert hostile("parameter", mark) in seen["ticks"]
    assert seen["hash"] == f"#target={hostile('second target', mark)} ."
