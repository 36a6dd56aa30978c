"""A study of more than PSNR and latency: each objective can be an axis, and is in hover, table, card and CSV."""

import json

import pytest
from plotly import graph_objects

from nas_sr.objectives import OBJECTIVES, named
from nas_sr.report.data.baseline_rows import baseline_rows
from nas_sr.report.data.front_info import front_info
from nas_sr.report.data.headline import picks
from nas_sr.report.data.sentences import hypervolume_sentence, importance_sentence
from nas_sr.report.data.trial_frames import columns, pareto_frame, trials_frame
from tests.report.charts.test_charts import charts, painted, trial_hover
from tests.report.data.test_trial_tables import cells, shown, table_html
from tests.report.opened_page import page
from tests.report.study_records import baseline, board_ms, example_study, measurement, on_board, study, trading, trial

NAMES = ("psnr_db", "latency_ms", "memory_mb", "params")


@pytest.fixture(scope="module")
def record():
    return trading(example_study(30), NAMES, {"energy_mj": 400.0})


def test_each_objective_has_a_chart_of_the_same_trials(record):
    found = charts([record])
    assert [name for name in found if name.startswith("pareto")] == [
        "pareto-cpu",
        "pareto-cpu-memory_mb",
        "pareto-cpu-params",
        "pareto-cpu-energy_mj",
        "pareto-cpu-weights_mb",
        "pareto-cpu-macs_g",
        "pareto-cpu-activations_m",
    ]
    for name in ("memory_mb", "params", "energy_mj"):
        chart = found[f"pareto-cpu-{name}"]
        graph_objects.Figure(painted(chart))
        assert chart["layout"]["xaxis"]["title"]["text"] == named(name).axis
        assert chart["data"][-1]["name"] == "selection"
        front = next(trace for trace in chart["data"] if trace["name"].startswith("Pareto front"))
        assert front["customdata"] == list(record.front)
        assert front["x"] == [named(name).value(record.trial(number)) for number in record.front]
        assert front["y"] == [record.trial(number).psnr_db for number in record.front]
    assert found["pareto-cpu-energy_mj"]["layout"]["shapes"][0]["x0"] == 400.0
    json.dumps(found, allow_nan=False)


def test_front_of_more_than_two_is_no_staircase(record):
    assert not front_info(record).is_staircase
    assert front_info(example_study(30)).is_staircase
    for chart, mode in (
        (charts([record])["pareto-cpu"], "markers"),
        (charts([example_study(30)])["pareto-cpu"], "lines+markers"),
    ):
        assert next(trace for trace in chart["data"] if trace["name"].startswith("Pareto front"))["mode"] == mode


def test_page_offers_what_the_study_trades_first_and_then_what_else_is_known(record):
    html = page([record])
    assert '<select class="axis"><option value="latency_ms">latency [ms]</option><option value="memory_mb">' in html
    assert '<div data-axis="memory_mb" hidden>' in html
    assert '<div data-axis="latency_ms">' in html
    plain = page([example_study(30)])
    assert '<select class="axis"><option value="latency_ms">latency [ms]</option><option value="params">' in plain
    assert '<option value="energy_mj">' not in plain
    assert "Quality against latency" in plain


def test_study_that_does_not_trade_latency_opens_on_what_it_trades():
    record = trading(example_study(30), ("psnr_db", "macs_g"))
    html = page([record])
    assert html.index('<div data-axis="macs_g">') < html.index('<div data-axis="latency_ms" hidden>')


def test_hover_table_card_and_headline_show_them(record):
    number = record.front[0]
    chosen = record.trial(number)
    text = trial_hover(record, chosen)
    assert f"Memory <b>{named('memory_mb').text(chosen.figures['memory_mb'])}</b>" in text
    assert "Energy <b>" in text
    columns = [column.name for column in shown(record)]
    assert columns[columns.index("MACs") + 1 : columns.index("Preset")] == ["Memory", "Energy"]
    found = dict(zip(columns, cells(record, chosen), strict=True))
    assert found["Memory"].number == chosen.figures["memory_mb"]
    assert found["Energy"].number == pytest.approx(chosen.latency.energy_mj)
    assert "Memory" not in table_html(example_study(30))
    html = page([record])
    assert "Least memory" in html
    assert "energy 400 mJ" in html
    roles = [role for pick in picks(record) for role in pick.roles]
    assert sorted(roles) == sorted(["knee", "fastest", "best", "memory_mb", "params"])
    least = next(pick.trial for pick in picks(record) if "memory_mb" in pick.roles)
    assert least.figures["memory_mb"] == min(record.trial(one).figures["memory_mb"] for one in record.front)


def test_sentences_say_what_the_volume_is(record):
    said = hypervolume_sentence(record)
    assert said.startswith("Volume that the front dominates, measured from 25.00 dB, ")
    assert "dB·ms·MB·parameters" in said
    chart = charts([record])["hypervolume-cpu"]
    assert chart["layout"]["yaxis"]["title"]["text"] == "hypervolume [dB·ms·MB·parameters]"
    assert "PED-ANOVA" in importance_sentence(record)
    assert [trace["name"] for trace in charts([record])["importance-cpu"]["data"]] == [
        "PSNR",
        "latency",
        "memory",
        "parameters",
    ]


def test_csv_has_a_column_for_every_objective(record):
    assert set(OBJECTIVES) <= set(columns([record]))
    frame = pareto_frame([record])
    assert list(frame["trial"]) == list(record.front)
    assert list(frame["memory_mb"]) == [record.trial(number).figures["memory_mb"] for number in record.front]
    assert frame["energy_mj"].notna().all()
    assert trials_frame([example_study(30)])["memory_mb"].isna().all()


def test_baselines_are_held_against_the_best_and_the_fastest_whatever_the_order():
    trials = [
        trial(0, psnr_db=26.0, latency=measurement(10.0, spread=0.0), figures={"memory_mb": 9.0}),
        trial(1, psnr_db=25.0, latency=measurement(12.0, spread=0.0), figures={"memory_mb": 3.0}),
    ]
    one = study(trials, baselines=[baseline("other", 24.9, measurement(13.0))]).model_copy(
        update={
            "objectives": ("psnr_db", "latency_ms", "memory_mb"),
            "front": (0, 1),
            "hypervolume_reference": (24, 20, 18),
        }
    )
    (found,) = baseline_rows(one)
    assert (found.as_fast.number, found.as_good.number) == (0, 0)


def test_two_targets_each_have_their_charts(record):
    def latency(one):
        return measurement(board_ms(one), target="board")

    studies = [trading(one, NAMES) for one in on_board(record, latency)]
    found = charts(studies)
    assert {"pareto-cpu-memory_mb", "pareto-board-memory_mb"} <= set(found)
    assert found["pareto-board-memory_mb"]["layout"]["xaxis"]["title"]["text"] == "memory on board [MB]"
    assert found["pareto-board-params"]["layout"]["xaxis"]["title"]["text"] == "parameters"
