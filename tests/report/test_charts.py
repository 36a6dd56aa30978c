import json

import pytest
from plotly import graph_objects

from nas_sr.arch.presets import preset
from nas_sr.report import chart_style
from nas_sr.report.info import front_info
from nas_sr.report.page import charts
from nas_sr.report.pareto_chart import hover_text, pareto_chart
from tests.report.study_records import CONFIG, example_study, measurement, predicted, study, trial


def painted(value):
    if isinstance(value, dict):
        return {key: painted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [painted(inner) for inner in value]
    if isinstance(value, str) and value.startswith("@"):
        assert value == "@font" or value in chart_style.COLOURS
        return "sans-serif" if value == "@font" else "#123456"
    return value


def mixed_study():
    one = trial(0, psnr_db=25.5, latency=measurement(10.0))
    two = trial(1, psnr_db=26.0, latency=predicted(20.0))
    three = trial(2, psnr_db=25.0, latency=measurement(30.0, stable=False, labels=("throttled <b>",)))
    return study([one, two, three, trial(3, psnr_db=24.9, latency=predicted(33.0))])


@pytest.mark.parametrize("record", [example_study(), mixed_study()], ids=["example", "mixed"])
def test_plotly_knows_every_attribute(record):
    for chart in charts(record).values():
        graph_objects.Figure(painted(chart))  # raises on an unknown attribute or a value out of its range


@pytest.mark.parametrize("size", [7, 30, 60])
def test_charts_are_json_without_nan(size):
    json.dumps(charts(example_study(size)), allow_nan=False)


def traces(record):
    return {trace["name"]: trace for trace in pareto_chart(record, front_info(record))["data"]}


def test_kinds_of_latency_are_separate_hollow_and_named():
    found = traces(mixed_study())
    assert found["Front, measured (1)"]["marker"]["symbol"] == "circle"
    assert found["Front, predicted (1)"]["marker"]["symbol"] == "circle-open"
    assert found["Dominated, predicted (1)"]["marker"]["symbol"] == "circle-open"
    assert found["Not stable (1)"]["customdata"] == [2]


def test_front_is_a_step_line_with_the_spread_as_bars():
    record = study([trial(0, psnr_db=25.5, latency=10.0), trial(1, psnr_db=26.0, latency=20.0)])
    front = traces(record)["Pareto front (2)"]
    assert front["line"]["shape"] == "hv"
    for trial_, above, below in zip(
        record.trials, front["error_x"]["array"], front["error_x"]["arrayminus"], strict=True
    ):
        latency = trial_.latency
        assert latency.latency_ms + above == pytest.approx(latency.percentile(95))
        assert latency.latency_ms - below == pytest.approx(latency.percentile(5))


def test_knee_that_is_a_preset_has_one_label():
    record = study([trial(0, preset("imdeception-c8"), latency=10.0)])
    found = traces(record)
    assert found["Knee"]["text"] == ["<b>knee, c8</b>"]
    assert found["The paper's networks (1)"]["text"] == [""]


def test_infeasible_trials_are_ticks_on_an_axis_of_their_own():
    slow = trial(1, state="infeasible", latency=50.0, reason="over the limit")
    record = study([trial(0, latency=10.0), slow])
    found = traces(record)["Infeasible (1)"]
    assert (found["yaxis"], found["marker"]["symbol"]) == ("y2", "line-ns-open")
    assert (
        "yaxis2"
        not in pareto_chart(study([trial(0, latency=10.0)]), front_info(study([trial(0, latency=10.0)])))["layout"]
    )


def test_reference_lines_only_where_the_study_has_them():
    record = study([trial(0, latency=30.0)])
    names = [one["text"] for one in pareto_chart(record, front_info(record))["layout"]["annotations"]]
    assert names == ["bicubic<br>25.70 dB", "limit 40.0 ms"]
    bare = study([trial(0, latency=30.0)], environment={}, config=CONFIG | {"max_latency_ms": None})
    assert pareto_chart(bare, front_info(bare))["layout"]["annotations"] == []


def test_hover_says_everything_and_escapes_it():
    text = hover_text(mixed_study(), mixed_study().trial(2))
    for part in (
        "Trial 2",
        "25.000 dB",
        "measured, not stable",
        "p5 to p95",
        "core 8",
        "GIDBs 6",
        "113 K",
        "throttled &lt;b",
    ):
        assert part in text
    assert "predicted, stable" in hover_text(mixed_study(), mixed_study().trial(1))


def test_a_very_long_reason_is_cut_in_the_hover():
    failed = trial(0, state="failed", latency=5.0, reason="word " * 500 + "x" * 5000)
    assert len(hover_text(study([failed]), failed)) < 1500


def test_five_hundred_curves_are_three_traces():
    assert len(charts(example_study(500))["curves"]["data"]) == 3
