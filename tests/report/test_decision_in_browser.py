"""The page's limits choose what the CSV says and what `nas-sr export` chooses; pins and axes do what they say."""

import csv

import pytest

from nas_sr.errors import UsageError
from nas_sr.export import choose
from tests.report.study_records import example_study, trading
from tests.report.test_page_in_browser import CHROMIUM, browse

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")

# What a reader does who decides: types limits, draws a slider, takes them back, pins two trials, chooses other axes.
DECIDES = """
<script>
(async () => {
  const seen = { requests: [], answers: [], errors: [] };
  document.addEventListener("securitypolicyviolation", (event) => seen.requests.push(event.blockedURI));
  addEventListener("error", (event) => seen.errors.push(event.message));
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  await wait(500);
  seen.busy = document.querySelector("main").hasAttribute("aria-busy");
  const form = document.querySelector(".limits");
  const input = (name, type) => form.querySelector(`[data-objective=${name}] [type=${type}]`);
  const set = (element, value) => {
    element.value = value;
    element.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const look = (limits) => seen.answers.push({
    limits,
    text: document.querySelector(".answer").textContent,
    tied: document.querySelector(".tied").textContent,
    trial: Number(document.querySelector(".chosen .link").dataset.trial),
    commands: [...document.querySelectorAll(".chosen code")].map((code) => code.textContent),
    bars: document.querySelectorAll(".chosen svg rect").length,
  });
  look({});
  for (const limits of ASKED) {
    for (const number of form.querySelectorAll("[type=number]")) {
      set(number, limits[number.closest(".limit").dataset.objective] ?? "");
    }
    look(limits);
  }
  form.reset();
  await wait(50);
  look({});
  const slider = input("latency_ms", "range");
  slider.value = SLID;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  seen.slid = Number(input("latency_ms", "number").value);
  look({ latency_ms: seen.slid });
  const { shapes } = document.getElementById("pareto-cpu").layout;
  seen.lines = shapes.filter((one) => one.x0 === one.x1).map((one) => one.x0);

  document.querySelector(".chosen .pin").click();
  const rows = [...document.querySelectorAll(".trials tbody tr[data-front]")];
  const other = rows.find((row) => Number(row.dataset.trial) !== seen.answers.at(-1).trial);
  other.cells[2].dispatchEvent(new MouseEvent("click", { bubbles: true }));
  document.querySelector("#selection .pin").click();
  const pinned = document.querySelector("#pins table");
  seen.pinned = [...pinned.tHead.rows[0].cells].map((cell) => cell.firstChild?.textContent.trim() ?? "");
  seen.rows = [...pinned.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const chart = document.getElementById("pareto-cpu");
  seen.rings = chart.data.at(-1).x.length;
  document.querySelector("#pins .pin").click();
  seen.left = document.querySelectorAll("#pins thead .pin").length;

  const change = (selector, key, value) => {
    const element = document.querySelector(selector);
    element[key] = value;
    element.dispatchEvent(new Event("change", { bubbles: true }));
  };
  change("select.up", "value", "params");
  change(".log[value=yaxis]", "checked", true);
  change(".log[value=xaxis]", "checked", true);
  await wait(300);
  const front = chart.data.find((trace) => trace.name.startsWith("Pareto front"));
  seen.axes = {
    trials: front.customdata, y: front.y, x: front.x, types: [chart.layout.xaxis.type, chart.layout.yaxis.type],
    title: chart.querySelector(".ytitle").textContent,
  };
  change("select.up", "value", "psnr_db");
  await wait(300);
  seen.back = chart.data.find((trace) => trace.name.startsWith("Pareto front")).y;
  document.querySelector(".account").open = true;
  await wait(300);
  const folded = [...document.querySelectorAll(".account .chart")];
  seen.folded = folded.map((one) => [one.id, one.querySelector(".main-svg") !== null]);
  const result = document.createElement("pre");
  result.id = "seen";
  result.textContent = JSON.stringify(seen);
  document.body.append(result);
})();
</script>
</body>
"""


def chosen_by_export(record, limits):
    """The trial that `nas-sr export` takes; None where nothing is within."""
    rest = {name: limit for name, limit in limits.items() if name not in ("latency_ms", "psnr_db")}
    try:
        if "latency_ms" in limits:
            return choose.within_latency(record, limits["latency_ms"], rest).number
        if "psnr_db" in limits:
            return choose.above_psnr(record, limits["psnr_db"], rest).number
        return choose.within_limits(record, rest).number
    except UsageError:
        return None


def chosen_by_table(path, limits):
    """The row of pareto.csv with the best PSNR within the limits."""
    with path.open(newline="") as file:
        rows = [{name: float(row[name]) for name in ("trial", "psnr_db", *limits)} for row in csv.DictReader(file)]
    within = [row for row in rows if all(row[name] <= limit for name, limit in limits.items())]
    return max(within, key=lambda row: row["psnr_db"])["trial"] if within else None


def test_limits_choose_what_export_and_the_table_say(tmp_path):
    record = trading(example_study(30), ("psnr_db", "latency_ms", "memory_mb"))
    front = [record.trial(number) for number in record.front]
    latencies = sorted(one.latency_ms for one in front)
    memory = sorted(one.figures["memory_mb"] for one in front)[len(front) // 2]
    asked = [
        *({"latency_ms": round(value, 2)} for value in (latencies[0] + 0.01, latencies[len(front) // 2], 1000.0)),
        {"latency_ms": latencies[2]},  # exactly a member's own
        {"latency_ms": 0.5},
        {"memory_mb": memory},
        {"latency_ms": latencies[-2], "memory_mb": memory},
        {"psnr_db": round(front[len(front) // 2].psnr_db, 2)},
        {"psnr_db": 99.0},
    ]
    probe = DECIDES.replace("ASKED", repr(asked)).replace("SLID", repr(latencies[len(front) // 2]))
    seen, messages = browse([record], tmp_path, probe)
    assert messages == []
    assert (seen["requests"], seen["errors"], seen["busy"]) == ([], [], False)
    without, *answers, back, slid = seen["answers"]
    assert without["trial"] == back["trial"] == record.at_knee(front).number
    assert without["text"].startswith("No limit yet")
    assert [answer["limits"] for answer in answers] == asked
    for answer in (*answers, slid):
        limits = answer["limits"]
        expected = chosen_by_export(record, limits)
        if "psnr_db" not in limits:
            assert expected == chosen_by_table(tmp_path / "pareto.csv", limits)
        if expected is None:
            assert answer["text"].startswith("No network of the front is within this limit. The nearest is trial ")
            nearest = min(front, key=lambda one: one.latency_ms if "latency_ms" in limits else -one.psnr_db)
            assert answer["trial"] == nearest.number
        else:
            assert answer["trial"] == expected
            assert answer["text"].startswith(f"Trial {expected}: ")
        assert f"nas-sr export mobile-x4 --trial {answer['trial']}" in answer["commands"]
        assert f"nas-sr measure mobile-x4:{answer['trial']} --hw cpu --final" in answer["commands"]
        assert answer["bars"] == record.trial(answer["trial"]).counts.convs
    assert sum(chosen_by_export(record, limits) is None for limits in asked) == 2
    assert any("are equal in PSNR as far as this study can tell" in answer["tied"] for answer in answers)
    assert seen["slid"] == pytest.approx(latencies[len(front) // 2], abs=0.2)

    assert seen["slid"] in seen["lines"]  # the limit stands in the chart
    first, second = slid["trial"], int(seen["pinned"][2].removeprefix("Trial "))
    assert seen["pinned"][1] == f"Trial {first}"
    rows = {row[0].split(" ")[0]: row[1:] for row in seen["rows"]}
    assert rows["PSNR"] == [f"{record.trial(number).psnr_db:.3f}" for number in (first, second)]
    assert seen["rings"] == 2
    assert seen["left"] == 1

    axes = seen["axes"]
    assert axes["y"] == [record.trial(number).counts.params for number in axes["trials"]]
    assert axes["x"] == [pytest.approx(record.trial(number).latency_ms) for number in axes["trials"]]
    assert axes["types"] == ["log", "log"]
    assert axes["title"] == "parameters"
    assert seen["folded"] == [[f"{name}-cpu", True] for name in ("compute", "drift", "effects", "parallel")]
    assert seen["back"] == [record.trial(number).psnr_db for number in axes["trials"]]


# What a reader sees whose browser cannot inflate.
OLD = """
<script>
const result = document.createElement("pre");
result.id = "seen";
const visible = (selector) => [...document.querySelectorAll(selector)].some((one) => one.offsetParent !== null);
result.textContent = JSON.stringify({
  told: visible("#unreadable"), picks: visible(".pick"), facts: visible(".facts"),
  rest: [".decision", ".chart", ".filters", "#pins"].filter(visible),
});
document.body.append(result);
</script>
</body>
"""


def test_an_old_browser_is_told_what_it_lacks_and_has_the_cards(tmp_path):
    before = "<script>delete window.DecompressionStream</script>"
    seen, messages = browse([example_study(20)], tmp_path, OLD, before=before)
    assert messages == []
    assert seen == {"told": True, "picks": True, "facts": True, "rest": []}
