"""The page in a real browser: nothing is fetched, nothing fails, and the table and the chart answer to clicks."""

import html
import json
import re
import shutil
import subprocess

import pytest

from nas_sr.report.write import write_report
from tests.report.study_records import baseline, board_ms, example_study, on_board, prediction, study, trading, trial

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

# Runs after the page's own script and leaves what it saw in the document.
PROBE = """
<script>
(async () => {
  const seen = { requests: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  await new Promise((done) => setTimeout(done, 500));
  const table = document.querySelector("[data-target]:not([hidden]) > .trials");
  const column = (name) => [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith(name));
  const shown = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const texts = (name) => shown().map((row) => row.cells[column(name)].textContent);
  const heading = (name) => table.tHead.rows[0].cells[column(name)];
  const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const change = (id, key, value) => {
    document.getElementById(id)[key] = value;
    document.getElementById(id).dispatchEvent(new Event("input"));
  };
  click(heading("Latency").querySelector("button"));
  seen.ascending = texts("Latency");
  seen.sort = heading("Latency").getAttribute("aria-sort");
  click(heading("Latency").querySelector("button"));
  seen.descending = texts("Latency");
  change("front-only", "checked", true);
  seen.front = texts("Trial").map(Number);
  change("front-only", "checked", false);
  change("text", "value", "c8 measured");
  seen.words = shown().map((row) => row.textContent);
  change("text", "value", "");
  change("state", "value", "failed");
  seen.failed = texts("State");
  change("state", "value", "");
  seen.count = document.getElementById("shown").textContent;

  const chart = document.getElementById("pareto-cpu");
  if (chart) {
    const row = shown().find((row) => row.dataset.front);
    click(row.cells[2]);
    await new Promise((done) => setTimeout(done, 200));
    const ring = chart.data[chart.data.length - 1];
    const panel = document.getElementById("selection");
    seen.selected = {
      trial: Number(row.dataset.trial), x: ring.x[0], hidden: panel.hidden, text: panel.innerText,
      command: panel.querySelector("code").textContent,
    };
    click(row.cells[2]);
    seen.cleared = panel.hidden;
    seen.steps = document.querySelectorAll("#pareto-cpu .scatterlayer .lines path").length;
    seen.points = document.querySelectorAll("#pareto-cpu .scatterlayer .point").length;
    seen.tools = [...document.querySelectorAll(".modebar-btn")].map((button) => button.dataset.title);
  }
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
</body>
"""


# What a reader of two targets does: looks, chooses the other with a click, selects a trial, sorts, and comes back.
CHOICE = """
<script>
(async () => {
  const seen = { requests: [], steps: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  await wait(500);
  const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
  const headings = (table) => [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  function look() {
    const [table] = visible(".trials");
    const column = headings(table).findIndex((name) => name.startsWith("Latency"));
    const ring = document.querySelector("#comparison-board").data.at(-1);
    const [pareto] = visible(".chart.pareto");
    seen.steps.push({
      hash: location.hash,
      checked: document.querySelector("[name=target]:checked").value,
      shown: [...new Set(visible("[data-target]").map((part) => part.dataset.target))],
      charts: visible(".chart").map((chart) => chart.id).sort(),
      drawn: visible(".chart").every((chart) => chart.querySelector(".main-svg")),
      width: pareto.querySelector(".main-svg").getBoundingClientRect().width / pareto.getBoundingClientRect().width,
      picks: visible(".pick .figures").map((figures) => figures.innerText),
      latencies: [...table.tBodies[0].rows].map((row) => row.cells[column].textContent),
      sort: table.tHead.rows[0].cells[column].getAttribute("aria-sort"),
      selection: document.getElementById("selection").innerText,
      ring: [ring.x[0], ring.y[0]],
      paretoRing: pareto.data.at(-1).x[0],
      count: document.getElementById("shown").textContent,
    });
  }
  look();
  document.querySelector("[name=target][value=board]").click();
  await wait(300);
  look();
  const row = visible(".trials tbody tr").find((row) => row.dataset.front);
  seen.chosen = Number(row.dataset.trial);
  click(row.cells[2]);
  const column = headings(visible(".trials")[0]).findIndex((name) => name.startsWith("Latency"));
  click(visible(".trials")[0].tHead.rows[0].cells[column].querySelector("button"));
  await wait(300);
  look();
  document.querySelector("[name=target][value=cpu]").click();
  await wait(300);
  look();
  location.hash = "#target=board";  // a link that somebody sent
  await wait(300);
  look();
  location.hash = "#target=nobody";
  await wait(300);
  look();
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
</body>
"""


def browse(studies, folder, probe=PROBE, address="", before=""):
    """What the probe saw, and the browser's messages; `before` stands before the page's own scripts."""
    page = write_report(studies, folder).html
    text = page.read_text().replace("</body>\n</html>", probe + "</html>")
    page.write_text(text.replace("<body>", f"<body>{before}", 1))
    command = [
        *[CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        *["--window-size=1400,1200", "--enable-logging=stderr", "--virtual-time-budget=8000"],
        *[f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri() + address],
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="seen">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found, run.stderr[-2000:]
    return json.loads(html.unescape(found[1])), [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def numbers(texts):
    return [float(text) for text in texts if text != "–"]


def test_sorting_filtering_and_selecting(tmp_path):
    record = example_study(30)
    seen, messages = browse([record], tmp_path)
    assert messages == []
    assert seen["requests"] == []
    assert seen["sort"] == "ascending"
    assert numbers(seen["ascending"]) == sorted(numbers(seen["ascending"]))
    assert numbers(seen["descending"]) == sorted(numbers(seen["descending"]), reverse=True)
    assert seen["ascending"][-1] == seen["descending"][-1] == "–"  # what is missing comes last either way
    assert set(seen["front"]) == set(record.front)
    assert seen["words"]
    assert all("c8" in row and "measured" in row for row in seen["words"])
    assert seen["failed"] == ["failed"]
    assert seen["count"] == "30 of 30 shown"
    chosen = seen["selected"]
    assert chosen["x"] == pytest.approx(record.trial(chosen["trial"]).latency_ms)
    assert not chosen["hidden"]
    assert chosen["command"] == f"nas-sr export mobile-x4 --trial {chosen['trial']}"
    assert seen["cleared"]
    assert seen["steps"] >= 1
    assert seen["points"] > 30
    assert not any("hare" in title or "loud" in title for title in seen["tools"])  # Plotly's upload of the data


@pytest.mark.parametrize(
    "record",
    [study([], name="""</script><script>throw "out"</script>"""), study([trial(0, latency=4.0)], name="one")],
    ids=["empty", "one"],
)
def test_small_studies_make_no_error(record, tmp_path):
    seen, messages = browse([record], tmp_path)
    assert messages == []
    assert seen["requests"] == []
    assert seen["count"] == f"{len(record.trials)} of {len(record.trials)} shown"


def predicted(one):
    return prediction(board_ms(one), target="board")


def test_switching_between_two_targets(tmp_path):
    studies = on_board(example_study(30), predicted, baselines=[baseline("@other", 25.9, prediction(90.0))])
    cpu, board = studies
    seen, messages = browse(studies, tmp_path, CHOICE)
    assert messages == []
    assert seen["requests"] == []
    first, switched, selected, back, linked, unknown = seen["steps"]

    for step, name in ((first, "cpu"), (switched, "board"), (back, "cpu"), (linked, "board"), (unknown, "cpu")):
        assert step["checked"] == name
        assert step["shown"] == [name]
        own = [f"{kind}-{name}" for kind in ("hypervolume", "importance", "pareto")]
        assert step["charts"] == sorted(["comparison-board", "curves", *own])
        assert step["drawn"]
        assert 0.9 < step["width"] <= 1.01
        assert step["count"] == "30 of 30 shown"
    assert first["hash"] == ""
    assert switched["hash"] == "#target=board"
    assert back["hash"] == "#target=cpu"

    assert not any("predicted" in figures for figures in first["picks"])
    assert all("predicted" in figures for figures in switched["picks"])
    assert first["latencies"] != switched["latencies"]

    # The selected trial and the order of the table stay when the target changes.
    chosen = seen["chosen"]
    places = [pytest.approx(record.trial(chosen).latency_ms) for record in studies]
    for step, record in ((selected, board), (back, cpu), (linked, board)):
        assert step["sort"] == "ascending"
        assert numbers(step["latencies"]) == sorted(numbers(step["latencies"]))
        assert step["ring"] == places
        assert step["paretoRing"] == pytest.approx(record.trial(chosen).latency_ms)
        assert f"Trial {chosen} " in step["selection"]
        assert f"on {record.target}" in step["selection"]
    assert "--hw board" in selected["selection"]
    assert "--hw" not in back["selection"]


def test_a_page_opens_on_the_target_in_its_address(tmp_path):
    seen, messages = browse(on_board(example_study(20), predicted), tmp_path, CHOICE, "#target=board")
    assert messages == []
    assert seen["steps"][0]["shown"] == ["board"]


def test_two_targets_without_a_trial_make_no_error(tmp_path):
    seen, messages = browse(on_board(study([]), None), tmp_path)
    assert messages == []
    assert seen["count"] == "0 of 0 shown"


# What a reader of several objectives does: chooses another axis and selects a trial.
AXIS = """
<script>
(async () => {
  const seen = { requests: [], steps: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  await wait(500);
  const visible = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
  const row = visible(".trials tbody tr").find((row) => row.dataset.front);
  seen.chosen = Number(row.dataset.trial);
  row.cells[2].dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const choice = document.querySelector("select.axis");
  for (const axis of ["memory_mb", "params", "latency_ms"]) {
    choice.value = axis;
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    await wait(300);
    const [chart] = visible(".chart.pareto");
    const width = chart.querySelector(".main-svg").getBoundingClientRect().width;
    seen.steps.push({
      charts: visible(".chart.pareto").map((one) => one.id), ring: chart.data.at(-1).x[0],
      width: width / chart.getBoundingClientRect().width,
    });
  }
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
</body>
"""


def test_choosing_another_axis(tmp_path):
    record = trading(example_study(30), ("psnr_db", "latency_ms", "memory_mb", "params"))
    seen, messages = browse([record], tmp_path, AXIS)
    assert messages == []
    assert seen["requests"] == []
    chosen = record.trial(seen["chosen"])
    memory, params, latency = seen["steps"]
    assert [step["charts"] for step in seen["steps"]] == [
        ["pareto-cpu-memory_mb"],
        ["pareto-cpu-params"],
        ["pareto-cpu"],
    ]
    assert memory["ring"] == chosen.figures["memory_mb"]
    assert params["ring"] == chosen.counts.params
    assert latency["ring"] == pytest.approx(chosen.latency_ms)
    assert all(0.9 < step["width"] <= 1.01 for step in seen["steps"])
