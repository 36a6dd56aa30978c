"""How a search went: failures by reason, rungs, seeds, where time went, drift; and what parameters came to."""

import json
from itertools import pairwise

import pytest
from plotly import graph_objects

from nas_sr.records import Score
from nas_sr.report.charts.page_charts import page_charts
from nas_sr.report.data.page_info import page_info
from nas_sr.report.data.parameters import effects, lines
from nas_sr.report.data.search_account import (
    failures,
    rungs,
    same_search,
    seed_sd_db,
    time_spent,
    trust,
)
from nas_sr.report.data.search_history import drift, hypervolume_history
from tests.report.charts.test_charts import painted
from tests.report.opened_page import page
from tests.report.study_records import example_study, measurement, study, trial


def test_failures_that_differ_in_numbers_are_one_group():
    record = study(
        [
            trial(0, latency=4.0),
            *(trial(n, state="failed", reason=f"the loss became NaN at step {n}") for n in range(1, 20)),
            trial(20, state="infeasible", reason="latency 90.1 ms is over the limit of 40 ms"),
            trial(21, state="running"),
        ]
    )
    nan, slow = failures(record)
    assert (nan.state, nan.reason) == ("failed", "the loss became NaN at step 1")
    assert nan.trials == tuple(range(1, 20))
    assert nan.named.endswith("and 7 more")
    assert slow.trials == (20,)
    html = page([record])
    assert "Trials without a PSNR, by reason" in html
    assert "Trials without a PSNR, by reason" not in page([study([trial(0, latency=4.0)])])


def scored(number, *scores):
    return trial(number, latency=4.0 + number, scores=tuple(Score(seed=s, steps=n, psnr_db=db) for s, n, db in scores))


def test_rungs_count_candidates_seeds_and_failures():
    record = study(
        [
            scored(0, (0, 800, 25.0), (0, 2400, 25.5), (1, 2400, 25.6)),
            scored(1, (0, 800, 24.0), (0, 2400, None)),
            scored(2, (0, 800, 23.0)),
        ]
    )
    short, long = rungs(record)
    assert short == (800, 3, 0, 0, 25.0)
    assert long == (2400, 2, 1, 1, 25.6)
    sd_db, trainings = seed_sd_db(record)
    assert sd_db == pytest.approx(0.1 / 2**0.5)
    assert trainings == 2
    assert dict(trust(record).rows)["PSNR over seeds of one network"] == "0.071 dB (sd, 2 trainings)"
    assert "Best PSNR" in page([record])
    assert seed_sd_db(example_study(7)) is None
    assert "not known" in dict(trust(example_study(7)).rows)["PSNR over seeds of one network"]


def test_time_is_added_up_over_all_processes(tmp_path):
    record = example_study(7).model_copy(update={"study_dir": str(tmp_path / "s")})
    assert time_spent(record) == ()
    for number, name in ((0, "stages.json"), (1, "stages.json"), (1, "stages-1-2400.json")):
        folder = tmp_path / "s" / "trials" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        stages = [{"name": "timing", "start_s": 0.0, "end_s": 5.0}, {"name": "training", "start_s": 5.0, "end_s": 20.0}]
        (folder / name).write_text(json.dumps({"process": 1, "stages": stages}))
    (tmp_path / "s" / "trials" / "0" / "stages-2.json").write_text('{"process": 1, "stag')  # cut short
    assert time_spent(record) == (("training", 45.0, 0.75), ("timing", 15.0, 0.25))
    assert "Where time went" in page([record])


def test_trust_says_how_far_a_device_wandered():
    taken = [measurement(4.0, reference_ms=(ms,), measured_at=f"2026-01-0{ms - 19}T00:00:00Z") for ms in (22, 20)]
    slow = measurement(9.0, stable=False, attempts=3, reference_ms=(20,), measured_at="2026-01-02T00:00:00Z")
    record = study([trial(n, latency=latency) for n, latency in enumerate([*taken, slow])])
    rows = dict(trust(record).rows)
    assert rows["stable measurements"] == "2 of 3"
    assert rows["measured more than once"].startswith("1 network,")
    assert rows["drift of the reference network"] == "20.0 ms to 22.0 ms: 10 % of its median"
    found = drift(record)
    assert found.trials == (1, 2, 0)
    assert found.stable == (True, False, True)


def test_a_study_without_anything_has_its_tables_too():
    for record in (study([]), study([trial(0, state="failed", reason="<b>no</b>")])):
        assert trust(record).rows
        assert drift(record).trials == ()
        assert lines(record).trials == ()
        assert effects(record) == ()
        page([record])


def test_hypervolume_over_steps_never_goes_back():
    found = hypervolume_history(example_study(30))
    assert len(found.steps) == len(found.trials)
    assert all(one <= other for one, other in pairwise(found.steps))
    assert found.steps[-1] > 0


def test_lines_and_effects_have_each_complete_trial():
    record = example_study(30)
    drawn = lines(record)
    complete = [one for one in record.trials if one.state == "complete"]
    assert drawn.trials == tuple(one.number for one in complete)
    core, psnr, latency = drawn.axes  # the only parameter that these trials have, and what the front trades
    assert [core.low, core.high] == ["4", "16"] or float(core.low) < float(core.high)
    best = max(range(len(complete)), key=lambda place: complete[place].psnr_db)
    assert psnr.places[best] == 1.0
    slowest = max(range(len(complete)), key=lambda place: complete[place].latency_ms)
    assert latency.places[slowest] == 0.0
    found = effects(record)
    assert sum(one.trials for one in found) == len(complete)
    assert [float(one.value) for one in found] == sorted(float(one.value) for one in found)


def test_the_charts_of_it_are_plotly_s():
    charts = page_charts(page_info([example_study(30)]))
    for name in ("compute-cpu", "drift-cpu", "parallel-cpu", "effects-cpu"):
        graph_objects.Figure(painted(charts[name]))


def test_the_same_search_again_is_a_command():
    assert same_search(example_study(30)) == (
        "nas-sr search --config studies/mobile-x4/study.yaml --name mobile-x4-again --budget 29"
    )
