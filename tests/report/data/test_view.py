import pytest

from nas_sr.report.data.front_info import front_info
from nas_sr.report.data.view import view
from tests.report.study_records import ENVIRONMENT, baseline, measurement, prediction, study, trial


def info(*trials, environment=ENVIRONMENT, max_latency_ms=None, baselines=()):
    return front_info(study(list(trials), environment=environment, max_latency_ms=max_latency_ms, baselines=baselines))


FAST, SLOW = trial(0, psnr_db=26.0, latency=10.0), trial(1, psnr_db=26.5, latency=30.0)


def holds(range_, *values):
    return all(range_[0] < value < range_[1] for value in values)


def test_the_front_and_its_spread_are_visible():
    found = info(FAST, SLOW)
    seen = view(found)
    assert holds(seen.psnr_db, 26.0, 26.5)
    assert holds(seen.latency_ms, *(end for point in found.front for end in (point.low_ms, point.high_ms)))
    assert seen.outside == 0


def test_a_diverged_trial_does_not_squash_the_front():
    seen = view(info(FAST, SLOW, trial(2, psnr_db=11.0, latency=20.0)))
    assert seen.psnr_db[0] > 25
    assert seen.outside == 1


def test_a_trial_far_too_slow_does_not_squash_the_front():
    seen = view(info(FAST, SLOW, trial(2, state="infeasible", latency=900.0)))
    assert seen.latency_ms[1] < 100
    assert seen.outside == 1


@pytest.mark.parametrize(("bicubic_psnr_db", "visible"), [(25.7, True), (20.0, False)])
def test_bicubic_is_shown_when_it_is_near(bicubic_psnr_db, visible):
    seen = view(info(FAST, SLOW, environment={"bicubic_psnr_db": bicubic_psnr_db}))
    assert holds(seen.psnr_db, bicubic_psnr_db) == visible


def test_the_latency_limit_is_shown():
    assert holds(view(info(FAST, SLOW, max_latency_ms=40.0)).latency_ms, 40.0)


def test_a_single_point_has_room():
    seen = view(info(trial(0, psnr_db=26.0, latency=measurement(10.0, spread=0.0)), environment={}))
    assert holds(seen.psnr_db, 26.0)
    assert holds(seen.latency_ms, 10.0)


def test_an_empty_front_has_no_view():
    with pytest.raises(ValueError, match="at least one trial"):
        view(info())


def test_predicted_intervals_of_the_front_are_visible():
    wide = prediction(20.0, error=0.4)
    assert holds(view(info(trial(0, latency=wide))).latency_ms, wide.low_ms, wide.high_ms)


def test_a_competitor_that_is_near_is_visible():
    seen = view(info(FAST, SLOW, baselines=[baseline("near", 27.1, measurement(60.0))]))
    assert holds(seen.psnr_db, 27.1)
    assert holds(seen.latency_ms, 60.0)
    assert seen.baselines_outside == ()


@pytest.mark.parametrize(("psnr_db", "latency_ms"), [(29.0, 20.0), (26.2, 900.0), (20.0, 20.0)])
def test_a_competitor_far_away_does_not_squash_the_front(psnr_db, latency_ms):
    alone = view(info(FAST, SLOW))
    seen = view(info(FAST, SLOW, baselines=[baseline("far", psnr_db, measurement(latency_ms))]))
    assert (seen.psnr_db, seen.latency_ms, seen.outside) == (alone.psnr_db, alone.latency_ms, 0)
    assert seen.baselines_outside == ("far",)
