import io
import math
import re
from html import unescape

import pandas as pd

from nas_sr.families.compact.spec import CompactSpec
from nas_sr.report.data.trial_frames import columns, pareto_frame, trials_frame
from nas_sr.report.data.trial_info import trial_infos
from nas_sr.report.data.trial_table import states, trial_table
from nas_sr.report.rendering import render
from tests.report.study_records import (
    board_ms,
    example_study,
    finalist,
    measurement,
    on_board,
    prediction,
    study,
    trial,
)


def of(trials):
    return [study(trials)]


def table(record):
    return trial_table(record, trial_infos(record))


def shown(record):
    return table(record).columns


def cells(record, one):
    return next(row.cells for row in table(record).rows if row.trial.record.number == one.number)


def table_html(record):
    return render("trial_table.html.jinja", table=table(record))


def shown_text(one, name):
    """What the page's table has of one trial under a heading."""
    alone = study([one if one.latency else one.model_copy(update={"state": "failed"})])
    return cells(alone, one)[[column.name for column in shown(alone)].index(name)].text


def read(frame):
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def test_every_number_carries_its_unit():
    for name in ("psnr_db", "latency_ms", "latency_p5_ms", "latency_p95_ms", "params", "macs_g", "latency_kind"):
        assert name in columns(of([]))


def test_what_a_trial_does_not_have_is_missing():
    frame = read(trials_frame(of([trial(0, state="failed", reason='said "no",\nthen stopped')])))
    row = frame.iloc[0]
    assert row[["psnr_db", "latency_ms", "latency_kind", "latency_stable"]].isna().all()
    assert row["reason"] == 'said "no",\nthen stopped'


def test_a_latency_whose_measurement_is_lost_keeps_its_figure():
    lost = trial(0, state="infeasible", latency_ms=50.0, reason="over the limit")
    assert read(trials_frame(of([lost])))["latency_ms"][0] == 50.0
    assert cells(study([lost]), lost)[[column.name for column in shown(study([lost]))].index("Latency")].text == "50.00"


def test_kinds_are_named():
    frame = trials_frame(of([trial(0, latency=measurement(10.0)), trial(1, latency=prediction(20.0))]))
    assert list(frame["latency_kind"]) == ["measured", "predicted"]


def test_each_kind_has_its_own_columns():
    timed, expected = finalist(10.0), prediction(20.0, error=0.1, source="a paper", points=7)
    one, two = (
        row for _, row in read(trials_frame(of([trial(0, latency=timed), trial(1, latency=expected)]))).iterrows()
    )
    assert (one["latency_low_ms"], one["latency_high_ms"]) == (one["latency_p5_ms"], one["latency_p95_ms"])
    assert (two["latency_low_ms"], two["latency_high_ms"]) == (expected.low_ms, expected.high_ms)
    measured = [
        "latency_stable",
        "latency_p5_ms",
        "latency_p95_ms",
        "latency_iqr_ms",
        "latency_runs",
        "latency_backend",
        "latency_precision",
    ]
    measured += ["latency_builds", "latency_run_spread", "latency_build_spread"]
    predicted = ["latency_level", "calibration_source", "calibration_points", "calibration_error"]
    assert one[measured].notna().all()
    assert one[predicted].isna().all()
    assert two[measured].isna().all()
    assert list(two[predicted]) == [0.8, "a paper", 7, 0.1]
    assert one["latency_builds"] == 3
    assert one["latency_run_spread"] == timed.run_spread


def test_several_targets_have_a_row_each():
    record = example_study(30)
    studies = on_board(record, lambda one: prediction(board_ms(one), target="board"))
    frame = read(trials_frame(studies))
    assert len(frame) == 2 * len(record.trials)
    for (_, cpu), (_, board) in zip(frame[:30].iterrows(), frame[30:].iterrows(), strict=True):
        assert (cpu["target"], board["target"]) == ("cpu", "board")
        assert cpu["trial"] == board["trial"]
        assert cpu["digest"] == board["digest"]
        assert cpu["psnr_db"] == board["psnr_db"] or (cpu["state"] != "complete" and math.isnan(cpu["psnr_db"]))
    fronts = read(pareto_frame(studies))
    for each in studies:
        found = fronts[fronts["target"] == each.target]
        assert tuple(found["trial"]) == each.front
        assert found["latency_ms"].is_monotonic_increasing
        assert found["on_front"].all()
        assert found["knee"].sum() == 1


def test_an_empty_study_has_headings():
    for frame in (trials_frame(of([])), pareto_frame(of([]))):
        assert list(read(frame).columns) == columns(of([]))


def test_the_front_is_fastest_first_and_its_knee_is_marked():
    slow, fast = trial(0, psnr_db=26.5, latency=30.0), trial(1, psnr_db=25.0, latency=10.0)
    middle = trial(2, psnr_db=26.3, latency=12.0)
    frame = pareto_frame(of([slow, fast, middle]))
    assert list(frame["trial"]) == [1, 2, 0]
    assert list(frame["knee"]) == [False, True, False]


def test_a_row_has_a_cell_for_every_column():
    failed, complete = trial(0, state="failed"), trial(1, latency=5.0)
    both = study([failed, complete])
    assert len(cells(both, failed)) == len(cells(both, complete)) == len(shown(both))


def test_networks_of_two_families_share_a_table_and_leave_each_others_columns_empty():
    plain = trial(1, latency=5.0).model_copy(update={"spec": CompactSpec(width=16, depth=4)})
    both = study([trial(0, latency=9.0), plain])
    frame = read(trials_frame([both]))
    assert list(frame["family"]) == ["imdeception", "compact"]
    assert frame["core"].isna().tolist() == [False, True]
    assert frame["width"].isna().tolist() == [True, False]
    assert frame["depth"].tolist()[1] == 4
    texts = [cell.text for cell in cells(both, plain)]
    names = [column.name for column in shown(both)]
    assert (texts[names.index("Width")], texts[names.index("Core")]) == ("16", "–")


def test_the_kind_is_a_word_in_the_table():
    kinds = [shown_text(trial(0, latency=latency), "Kind") for latency in (measurement(5.0), prediction(5.0), None)]
    assert kinds == ["measured", "predicted", "–"]
    assert '<span class="predicted">predicted</span>' in table_html(study([trial(0, latency=prediction(5.0))]))


def test_a_finalist_s_spreads_are_in_its_notes():
    assert shown_text(trial(0, latency=finalist(5.0)), "Reason and notes").startswith(
        "3 builds × 3 runs; runs of one build"
    )


def test_an_export_on_another_than_the_first_target_names_it():
    _, board = on_board(study([trial(0, latency=5.0)]), lambda one: measurement(50.0, target="board"))
    assert "--trial 0 --hw board" in table_html(board)


def test_the_state_filter_counts_where_all_targets_agree():
    cpu = study([trial(0, latency=5.0), trial(1, latency=6.0), trial(2, state="failed")])
    trials = [cpu.trials[0], trial(1, state="interrupted"), cpu.trials[2]]
    found = states([cpu, study(trials, target="board", targets=("cpu", "board"))])
    assert render("states.html.jinja", states=found).strip() == (
        '<option value="complete">complete</option><option value="failed">failed (1)</option>'
        '<option value="interrupted">interrupted</option>'
    )


def test_only_complete_trials_offer_an_export():
    html = table_html(study([trial(0, latency=5.0), trial(1, state="pruned", latency=5.0)], name="a 'b'"))
    (command,) = re.findall('data-command="([^"]*)"', html)
    assert unescape(command) == """nas-sr export 'a '"'"'b'"'"'' --trial 0"""
