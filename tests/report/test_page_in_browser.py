"""The page in a real browser: nothing is fetched, nothing fails, and the table and the chart answer to clicks."""

import html
import json
import re
import shutil
import subprocess

import pytest

from nas_sr.report.write import write_report
from tests.report.study_records import example_study, study, trial

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

# Runs after the page's own script and leaves what it saw in the document.
PROBE = """
<script>
(async () => {
  const seen = { requests: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  await new Promise((done) => setTimeout(done, 500));
  const table = document.getElementById("trials");
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

  const chart = document.getElementById("pareto");
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
    seen.steps = document.querySelectorAll("#pareto .scatterlayer .lines path").length;
    seen.points = document.querySelectorAll("#pareto .scatterlayer .point").length;
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


def browse(record, folder):
    """What the probe saw, and the browser's messages."""
    page = write_report(record, folder).html
    page.write_text(page.read_text().replace("</body>\n</html>", PROBE + "</html>"))
    command = [
        *[CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
        *["--window-size=1400,1200", "--enable-logging=stderr", "--virtual-time-budget=6000"],
        *[f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()],
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="seen">(.*?)</pre>', run.stdout, re.DOTALL)
    assert found, run.stderr[-2000:]
    return json.loads(html.unescape(found[1])), [line for line in run.stderr.splitlines() if "CONSOLE" in line]


def numbers(texts):
    return [float(text) for text in texts if text != "–"]


def test_sorting_filtering_and_selecting(tmp_path):
    record = example_study(30)
    seen, messages = browse(record, tmp_path)
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
    seen, messages = browse(record, tmp_path)
    assert messages == []
    assert seen["requests"] == []
    assert seen["count"] == f"{len(record.trials)} of {len(record.trials)} shown"
