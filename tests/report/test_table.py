import io

import pandas as pd

from nas_sr.report.table import COLUMNS, pareto_frame, trials_frame
from nas_sr.report.trial_table import COLUMNS as SHOWN
from nas_sr.report.trial_table import cells, table_html
from tests.report.study_records import measurement, predicted, study, trial


def read(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def test_every_number_carries_its_unit():
    for name in ("psnr_db", "latency_ms", "latency_p5_ms", "latency_p95_ms", "params", "macs_g", "latency_kind"):
        assert name in COLUMNS


def test_what_a_trial_does_not_have_is_missing():
    frame = read(trials_frame(study([trial(0, state="failed", reason='said "no",\nthen stopped')])))
    row = frame.iloc[0]
    assert row[["psnr_db", "latency_ms", "latency_kind", "latency_stable"]].isna().all()
    assert row["reason"] == 'said "no",\nthen stopped'


def test_a_latency_whose_measurement_is_lost_keeps_its_figure():
    lost = trial(0, state="infeasible", latency_ms=50.0, reason="over the limit")
    assert read(trials_frame(study([lost])))["latency_ms"][0] == 50.0
    assert cells(lost, "")[[column.name for column in SHOWN].index("Latency")].text == "50.00"


def test_kinds_are_named():
    frame = trials_frame(study([trial(0, latency=measurement(10.0)), trial(1, latency=predicted(20.0))]))
    assert list(frame["latency_kind"]) == ["measured", "predicted"]


def test_an_empty_study_has_headings():
    for frame in (trials_frame(study([])), pareto_frame(study([]))):
        assert list(read(frame).columns) == COLUMNS


def test_the_front_is_fastest_first_and_its_knee_is_marked():
    slow, fast = trial(0, psnr_db=26.5, latency=30.0), trial(1, psnr_db=25.0, latency=10.0)
    middle = trial(2, psnr_db=26.3, latency=12.0)
    frame = pareto_frame(study([slow, fast, middle]))
    assert list(frame["trial"]) == [1, 2, 0]
    assert list(frame["knee"]) == [False, True, False]


def test_a_row_has_a_cell_for_every_column():
    assert len(cells(trial(0, state="failed"), "")) == len(cells(trial(1, latency=5.0), "front")) == len(SHOWN)


def test_only_complete_trials_offer_an_export():
    html = table_html(study([trial(0, latency=5.0), trial(1, state="pruned", latency=5.0)], name="a 'b'"))
    assert html.count("data-command=") == 1
    assert "nas-sr export &#x27;a &#x27;&quot;&#x27;&quot;&#x27;b&#x27;&quot;&#x27;&quot;&#x27;&#x27; --trial 0" in html
