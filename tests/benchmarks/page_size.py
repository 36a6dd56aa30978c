"""How large a study's page is, how long it takes to write, and how long a browser needs until its charts are drawn.

    python -m tests.benchmarks.page_size [--trials 200 1000] [--targets 1 2] [--runs 3]

Studies are made up (see tests/report/study_records.py): their texts are as long as those of real ones. The browser is
Debian's Chromium without a GPU, headless; its time runs from the beginning of the page's load, by its own clock, until
the page's script says that it is done.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from nas_sr.records import StudyRecord
from nas_sr.report.rendering import plotly
from nas_sr.report.write import write_report
from tests.report.study_records import board_ms, example_study, on_board, prediction

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LEAVE = """
<script>
new MutationObserver(() => {
  if (!document.querySelector("main").hasAttribute("aria-busy")) document.title = `drawn after ${performance.now()} ms`;
}).observe(document.querySelector("main"), { attributes: true });
</script>
</body>
"""


def studies(trials: int, targets: int) -> list[StudyRecord]:
    """A made-up study on one or two targets."""
    record = example_study(trials)
    return [record] if targets == 1 else on_board(record, lambda one: prediction(board_ms(one), target="board"))


def drawn_ms(page: Path) -> float:
    """From the beginning of the load until everything is drawn."""
    text = page.read_text()
    page.write_text(text.replace("</body>", LEAVE))
    with tempfile.TemporaryDirectory() as profile:
        run = subprocess.run(
            [
                *[str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"],
                *["--disable-background-networking", "--timeout=10000", "--window-size=1400,1200"],
                *[f"--user-data-dir={profile}", "--dump-dom", page.resolve().as_uri()],
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
    page.write_text(text)
    found = re.search(r"<title>drawn after ([\d.]+) ms", run.stdout)
    if not found:
        raise SystemExit(f"{page} was not drawn: {run.stderr[-500:]}")
    return float(found[1])


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--targets", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    begun = time.perf_counter()
    packed = len(plotly())
    print(f"Plotly packed: {packed / 1e6:.3f} MB in {time.perf_counter() - begun:.2f} s, once a process")
    print("| trials | targets | page [MB] | written in [s] | drawn after [ms] |\n|---|---|---|---|---|")
    for trials in asked.trials:
        for targets in asked.targets:
            records = studies(trials, targets)
            with tempfile.TemporaryDirectory() as folder:
                begun = time.perf_counter()
                page = write_report(records, Path(folder)).html
                written_s = time.perf_counter() - begun
                size = page.stat().st_size / 1e6
                shown = [drawn_ms(page) for _ in range(asked.runs)] if CHROMIUM else []
            after = f"{median(shown):.0f}" if shown else "no Chromium"
            print(f"| {trials} | {targets} | {size:.3f} | {written_s:.2f} | {after} |", flush=True)


if __name__ == "__main__":
    main()
