import pytest

from nas_sr.report.data.baseline_rows import baseline_rows
from nas_sr.report.rendering import render
from tests.report.study_records import baseline, measurement, prediction, study, trial

FRONT = [trial(0, psnr_db=25.0, latency=prediction(10.0)), trial(1, psnr_db=26.0, latency=prediction(20.0))]


def baselines_html(record):
    return render("baselines.html.jinja", baselines=baseline_rows(record))


def held_against(psnr_db, latency_ms):
    (found,) = baseline_rows(study(FRONT, baselines=[baseline("rival", psnr_db, prediction(latency_ms))]))
    return tuple(one and one.number for one in (found.as_fast, found.as_good))


@pytest.mark.parametrize(
    ("psnr_db", "latency_ms", "expected"),
    [
        (25.5, 30.0, (1, 1)),  # beaten: the front's best is faster and better
        (25.0, 10.0, (0, 0)),  # just as good and as fast as trial 0
        (27.0, 5.0, (None, None)),  # beats the whole front
        (27.0, 15.0, (0, None)),
        (24.0, 5.0, (None, 0)),
    ],
)
def test_what_the_front_offers(psnr_db, latency_ms, expected):
    assert held_against(psnr_db, latency_ms) == expected


def test_the_table_says_what_was_measured_and_what_was_not():
    shaky = measurement(40.0, stable=False, labels=("busy <device>",))
    rivals = [baseline("a & b", 25.5, shaky), baseline("c", 25.5, prediction(40.0))]
    html = baselines_html(study(FRONT, baselines=rivals))
    first, second = html.split("<tbody>")[1].split("</tr>")[:2]
    assert "a &amp; b" in first
    assert 'title="busy &lt;device&gt;"' in first
    assert "not stable" in first
    assert "p5 to p95" in first
    assert ">predicted<" in second
    assert "80 % interval" in second
    assert "26.00 dB (+0.50 dB), trial 1 with 20.0 ms predicted" in second
    assert "20.0 ms predicted (0.50 × its latency), trial 1" in second


def test_no_table_without_competitors():
    assert baselines_html(study(FRONT)) == ""


def test_competitors_of_a_study_without_a_front():
    html = baselines_html(study([], baselines=[baseline("c", 25.5, prediction(40.0))]))
    assert "nothing as fast" in html
    assert "nothing as good" in html
