import json

import pytest
from plotly import graph_objects

from nas_sr.families.compact.spec import CompactSpec
from nas_sr.families.presets import preset
from nas_sr.records import LongEstimate
from nas_sr.report.charts import chart_style, hover
from nas_sr.report.charts.page_charts import page_charts
from nas_sr.report.charts.pareto_chart import pareto_chart
from nas_sr.report.data.front_info import front_info
from nas_sr.report.data.page_info import page_info
from nas_sr.report.data.sentences import overlay_sentences, pareto_sentences
from nas_sr.report.data.trial_info import trial_infos
from tests.report.study_records import (
    baseline,
    board_ms,
    example_study,
    finalist,
    measurement,
    on_board,
    prediction,
    study,
    tensorrt,
    trial,
)


def charts(studies):
    return page_charts(page_info(studies))


def trial_hover(record, one):
    return hover.trial_hover(trial_infos(record)[one.number])


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
    two = trial(1, psnr_db=26.0, latency=prediction(20.0))
    three = trial(2, psnr_db=25.0, latency=measurement(30.0, stable=False, labels=("throttled <b>",)))
    return study([one, two, three, trial(3, psnr_db=24.9, latency=prediction(33.0))])


def predicted_on_board(record, **more):
    return on_board(record, lambda one: prediction(board_ms(one), target="board"), **more)


STUDIES = {
    "example": [example_study()],
    "mixed": [mixed_study()],
    "two targets": predicted_on_board(example_study()),
    "baselines": [mixed_study().model_copy(update={"baselines": (baseline("other", 26.3, prediction(15.0)),)})],
}


@pytest.mark.parametrize("studies", STUDIES.values(), ids=STUDIES)
def test_plotly_knows_every_attribute(studies):
    for chart in charts(studies).values():
        graph_objects.Figure(painted(chart))  # raises on an unknown attribute or a value out of its range


@pytest.mark.parametrize("size", [7, 30, 60])
def test_charts_are_json_without_nan(size):
    json.dumps(charts(predicted_on_board(example_study(size))), allow_nan=False)


def traces(record):
    return {trace["name"]: trace for trace in pareto_chart(front_info(record))["data"]}


def is_hollow(trace):
    assert trace["marker"]["color"] != trace["marker"]["line"]["color"]
    return trace["marker"]["color"] == "@surface"


def test_kinds_of_latency_are_separate_hollow_and_named():
    found = traces(mixed_study())
    assert not is_hollow(found["Front, measured (1)"])
    assert is_hollow(found["Front, predicted (1)"])
    assert is_hollow(found["Dominated, predicted (1)"])
    assert found["Not stable (1)"]["customdata"] == [2]


def test_bars_of_the_two_kinds_look_different():
    found = traces(mixed_study())
    measured, predicted = found["Front, measured (1)"]["error_x"], found["Front, predicted (1)"]["error_x"]
    assert predicted["thickness"] > 3 * measured["thickness"]
    latency = mixed_study().trial(1).latency
    assert predicted["array"] == [pytest.approx(latency.high_ms - 20.0)]
    assert predicted["arrayminus"] == [pytest.approx(20.0 - latency.low_ms)]


def test_a_front_that_nobody_measured_says_so_and_is_dotted():
    record = study([trial(0, psnr_db=25.5, latency=prediction(10.0)), trial(1, psnr_db=26.0, latency=prediction(20.0))])
    front = traces(record)["Pareto front, predicted (2)"]
    assert is_hollow(front)
    assert front["line"]["dash"] == "dot"


def test_a_measured_front_beside_predictions_says_so():
    record = study([trial(0, psnr_db=26.0, latency=10.0), trial(1, psnr_db=25.0, latency=prediction(20.0))])
    found = traces(record)
    assert not is_hollow(found["Pareto front, measured (1)"])
    assert "dash" not in found["Pareto front, measured (1)"]["line"]


def test_infeasible_by_prediction_is_hollow_with_its_interval():
    slow = trial(1, state="infeasible", latency=prediction(50.0), reason="over the limit")
    found = traces(study([trial(0, latency=10.0), slow]))["Infeasible, predicted (1)"]
    assert is_hollow(found)
    assert found["error_x"]["array"][0] > 0


def test_competitors_are_named_diamonds_apart_from_the_front():
    rivals = (baseline("fast & good", 27.0, measurement(5.0)), baseline("other", 26.0, prediction(12.0)))
    record = study([trial(0, latency=10.0)], baselines=rivals)
    found = traces(record)
    for name, text, hollow in (
        ("For comparison, measured (1)", "fast &amp; good", False),
        ("For comparison, predicted (1)", "other", True),
    ):
        assert found[name]["marker"]["symbol"] == "diamond"
        assert found[name]["text"] == [text]
        assert is_hollow(found[name]) == hollow
        assert "customdata" not in found[name]  # a click selects trials only
    assert found["Pareto front, measured (1)"]["customdata"] == [0]
    assert "27.000 dB" in found["For comparison, measured (1)"]["hovertext"][0]
    assert "<b>predicted</b>" in found["For comparison, predicted (1)"]["hovertext"][0]


def test_an_unstable_competitor_is_crossed():
    record = study([trial(0, latency=10.0)], baselines=[baseline("a", 25.0, measurement(5.0, stable=False))])
    crosses = traces(record)["Not stable (1)"]
    assert crosses["x"] == [record.baselines[0].latency.latency_ms]
    assert crosses["customdata"] == []


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
    assert found["Known networks (1)"]["text"] == [""]


def test_infeasible_trials_are_ticks_on_an_axis_of_their_own():
    slow = trial(1, state="infeasible", latency=50.0, reason="over the limit")
    record = study([trial(0, latency=10.0), slow])
    found = traces(record)["Infeasible (1)"]
    assert (found["yaxis"], found["marker"]["symbol"]) == ("y2", "line-ns-open")
    assert "yaxis2" not in pareto_chart(front_info(study([trial(0, latency=10.0)])))["layout"]


def test_reference_lines_only_where_the_study_has_them():
    record = study([trial(0, latency=30.0)])
    names = [one["text"] for one in pareto_chart(front_info(record))["layout"]["annotations"]]
    assert names == ["bicubic<br>25.70 dB", "limit 40.0 ms"]
    bare = study([trial(0, latency=30.0)], environment={}, max_latency_ms=None)
    assert pareto_chart(front_info(bare))["layout"]["annotations"] == []


def test_hover_says_everything_and_escapes_it():
    text = trial_hover(mixed_study(), mixed_study().trial(2))
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


def test_hover_of_a_prediction_says_what_it_rests_on():
    latency = prediction(20.0, error=0.042, source="a <paper>", points=14, labels=("not measured: silent",))
    text = trial_hover(study([trial(0, latency=latency)]), trial(0, latency=latency))
    interval = f"80 % interval {latency.low_ms:.2f} to {latency.high_ms:.2f} ms"
    for part in (
        "20.00 ms</b> <b>predicted",
        interval,
        "a &lt;paper&gt;, 14 points",
        "error 4.2 %",
        "not measured: silent",
    ):
        assert part in text.replace("<br>", " ")
    assert "stable" not in text


def test_hover_of_a_finalist_tells_runs_and_builds_apart():
    latency = finalist(20.0, run_spread=0.004, build_spread=0.011)
    text = trial_hover(study([trial(0, latency=latency)]), trial(0, latency=latency)).replace("<br>", " ")
    assert "3 builds × 3 runs; runs of one build differ by up to 0.40 %, builds by 1.1 %" in text


def test_hover_tells_how_an_engine_was_built():
    latency = tensorrt(20.0, digest="a1b2c3d4e5f60718")
    text = trial_hover(study([trial(0, latency=latency)]), trial(0, latency=latency)).replace("<br>", " ")
    assert "built in 12.3 s, 58 layers, timing cache a1b2c3d4e5f6" in text
    assert "floating clocks" in text


def test_what_was_said_of_a_latency_before_it_was_measured_is_not_repeated():
    measured_since = trial(0, latency=measurement(10.0), reason="latency on cpu predicted, 9.00 to 12.00 ms")
    assert "predicted" not in trial_hover(study([measured_since]), measured_since)


def test_a_very_long_reason_is_cut_in_the_hover():
    failed = trial(0, state="failed", latency=5.0, reason="word " * 500 + "x" * 5000)
    assert len(trial_hover(study([failed]), failed)) < 1500


def test_five_hundred_curves_are_three_traces():
    assert len(charts([example_study(500)])["curves"]["data"]) == 3


def test_curves_of_several_targets_appear_once_with_each_knee():
    studies = predicted_on_board(example_study())
    found = charts(studies)
    assert sum("curves" in name for name in found) == 1
    front = {number for record in studies for number in record.front}
    names = " ".join(trace["name"] for trace in found["curves"]["data"])
    knees = {record.target: front_info(record).knee.trial for record in studies}
    for target, number in knees.items():
        assert target in names
        assert f"trial {number}" in names
    assert f"On a front ({len(front - set(knees.values()))})" in names


def test_families_have_symbols_of_their_own_and_a_line_of_the_legend():
    plain = trial(1, psnr_db=25.0, latency=5.0).model_copy(update={"spec": CompactSpec(width=16, depth=4)})
    both = study([trial(0, psnr_db=26.0, latency=9.0), plain, trial(2, psnr_db=24.0, latency=9.5)])
    data = pareto_chart(front_info(both))["data"]
    front = next(trace for trace in data if trace["name"].startswith("Pareto front"))
    assert dict(zip(front["customdata"], front["marker"]["symbol"], strict=True)) == {1: "square", 0: "circle"}
    assert {trace["name"] for trace in data} >= {"IMDeception", "compact"}
    alone = study([trial(0, psnr_db=26.0, latency=9.0)])
    data = pareto_chart(front_info(alone))["data"]
    assert "IMDeception" not in {trace["name"] for trace in data}


def raced(record):
    """The same study with estimates: the faster a network, the surer it is of its place."""

    def estimated(one):
        probability = max(0.0, 1 - one.number / 10)
        estimate = LongEstimate(steps=900, mean_db=one.psnr_db, sd_db=0.02, front_probability=probability)
        return one.model_copy(update={"estimate": estimate})

    return record.model_copy(
        update={"trials": tuple(estimated(one) if one.psnr_db is not None else one for one in record.trials)}
    )


def test_estimates_are_bars_and_opacity():
    record = raced(mixed_study())
    (front,) = (one for name, one in traces(record).items() if name == "Front, measured (1)")
    assert front["customdata"] == [0]
    assert front["error_y"]["array"] == [0.02]
    assert front["marker"]["opacity"] == [1.0]
    dominated = traces(record)["Dominated, predicted (1)"]
    assert dominated["marker"]["opacity"] == [pytest.approx(0.25 + 0.75 * 0.7)]
    said = " ".join(pareto_sentences(record, front_info(record)))
    assert "Vertical bars are one standard deviation" in said
    plain = traces(mixed_study())["Front, measured (1)"]
    assert "error_y" not in plain
    assert plain["marker"]["opacity"] == 1
    for chart in charts([record]).values():
        graph_objects.Figure(painted(chart))


def test_predicted_latencies_are_hollow_on_other_axes_too():
    chart = charts([mixed_study()])["pareto-cpu-params"]
    found = {trace["name"]: trace for trace in chart["data"]}
    assert not is_hollow(found["Pareto front, measured (1)"])
    assert is_hollow(found["Pareto front, predicted (1)"])
    assert is_hollow(found["Dominated, predicted (1)"])


def test_fronts_of_other_targets_and_studies_lie_over_this_one():
    studies = predicted_on_board(example_study())
    other = example_study(20, name="another <study>", seed=5)
    found = {t["name"]: t for t in pareto_chart(front_info(studies[0], [studies[1], other]))["data"]}
    board = found[f"Front on board ({len(studies[1].front)})"]
    assert board["visible"] == "legendonly"
    front = found[f"Front of another &lt;study&gt; ({len(other.front)})"]
    assert "visible" not in front
    assert front["x"] == [other.trial(number).latency_ms for number in other.front]
    assert "customdata" not in front  # a click selects trials of this study only
    assert front["line"]["dash"] != board["line"]["dash"]
    drawn = page_charts(page_info(studies[:1], others=[other]))["pareto-cpu"]
    graph_objects.Figure(painted(drawn))
    elsewhere = other.model_copy(update={"environment": {"data": "others"}, "target": "board"})
    (said,) = overlay_sentences(studies[0], [studies[1], elsewhere])
    assert "its latencies are those of board and it was trained or validated on other images" in said
    assert list(overlay_sentences(studies[0], [other])) == []
