import pytest

from nas_sr import latency_wording
from nas_sr.cli.measure import _print_latency
from nas_sr.config import FullTraining, StudyConfig
from nas_sr.export.model_card import card
from nas_sr.latency_wording import worded
from tests.report.opened_page import page
from tests.report.study_records import finalist, measurement, prediction, study, tensorrt, trial
from tests.report.test_page import text_of


def test_spread_names_what_it_is():
    assert latency_wording.spread(prediction(20.0, error=0.1)) == "80 % interval 17.4 to 23.0 ms"
    timed = measurement(20.0, spread=0.0)
    assert latency_wording.spread(timed) == "p5 to p95 20.0 to 20.0 ms"


def test_a_predicted_figure_never_stands_without_the_word():
    assert latency_wording.figure(prediction(20.0)) == "20.0 ms predicted"
    assert latency_wording.figure(measurement(20.0, spread=0.0)) == "20.0 ms"


def test_a_prediction_is_neither_stable_nor_unstable():
    assert not latency_wording.is_unstable(prediction(20.0))
    assert latency_wording.is_unstable(measurement(20.0, stable=False))


def test_grounds_say_source_points_and_error():
    found = prediction(20.0, error=0.126, source="measured here", points=1).calibration
    assert latency_wording.grounds(found) == "measured here, 1 point, cross-validated error 13 %"


def test_run_spread_and_build_spread_are_told_apart():
    assert latency_wording.repeats(measurement(20.0)) == ""
    assert latency_wording.repeats(finalist(20.0, run_spread=0.002, build_spread=0.03)) == (
        "3 builds × 3 runs; runs of one build differ by up to 0.20 %, builds by 3.0 %"
    )


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        (lambda repeat: repeat.build == 0, "1 build × 3 runs; runs of one build differ by up to 0.40 %"),
        (lambda repeat: repeat.run == 0, "3 builds × 1 run; builds differ by 1.1 %"),
        (lambda repeat: repeat.run == repeat.build == 0, "1 build × 1 run"),
    ],
)
def test_spreads_that_there_cannot_be_are_left_out(kept, text):
    whole = finalist(20.0, run_spread=0.004, build_spread=0.011)
    part = whole.model_copy(update={"repeats": tuple(filter(kept, whole.repeats))})
    assert latency_wording.repeats(part) == text


def test_engine_facts_only_where_there_is_an_engine():
    assert latency_wording.engine(measurement(20.0)) == ""
    assert latency_wording.engine(tensorrt(20.0)) == "built in 12.3 s, 58 layers, timing cache a1b2c3d4e5f6"
    bare = measurement(20.0, engine={"build_s": 3.0, "layers": [{}], "timing_cache": None})
    assert latency_wording.engine(bare) == "built in 3.00 s, 1 layer"


@pytest.mark.parametrize(
    "latency",
    [
        tensorrt(20.0, stable=False, target_reference_ms=21.0),
        measurement(20.0, labels=("it is warm",)),
        prediction(20.0, labels=("outside the calibrated networks: groups 1 (calibrated with 4)",)),
    ],
    ids=["finalist", "measurement", "prediction"],
)
def test_command_line_page_and_model_card_say_the_same(latency, tmp_path, capsys):
    record = study([trial(0, latency=latency)])
    _print_latency(latency)
    said = capsys.readouterr().out
    model_card = card(record, record.trials[0], FullTraining(training=StudyConfig().training), tmp_path)
    exact, short = worded(latency, exact=True), worded(latency)
    for text in (exact.figure, exact.kind, exact.spread, *exact.lines, *exact.notes):
        assert text in said
        assert text in model_card
    on_page = text_of(page([record]))
    for text in (short.figure, short.kind, short.spread, short.correction, short.repeats, short.grounds, *short.notes):
        assert text in on_page
    unstable = short.stability == "not stable"
    assert ("not stable" in said, "not stable" in model_card, "not stable" in on_page) == (unstable,) * 3
