"""What a reader of the report relies on: the right facts, nothing unmarked, nothing that breaks the page."""

import json
import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.families.presets import preset
from nas_sr.records import StudyRecord
from nas_sr.report.data.front_info import front_info
from nas_sr.report.data.headline import headline
from nas_sr.report.data.sentences import hypervolume_sentence, pareto_sentences
from nas_sr.report.data.trial_info import export_command
from nas_sr.report.rendering import render
from nas_sr.report.write import write_report
from tests.report.charts.test_charts import charts
from tests.report.opened_page import opened, page
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
    trading,
    trial,
)


@pytest.fixture(scope="module")
def example() -> StudyRecord:
    return example_study(30)


def test_files_are_written_and_pandas_reads_them(example: StudyRecord, tmp_path: Path) -> None:
    files = write_report([example], tmp_path / "out")
    trials = pd.read_csv(files.csv)
    assert list(trials["trial"]) == [one.number for one in example.trials]
    front = pd.read_csv(files.pareto_csv)
    assert list(front["trial"]) == list(example.front)
    assert front["latency_ms"].is_monotonic_increasing
    assert front["psnr_db"].is_monotonic_increasing
    assert set(front["latency_kind"]) == {"measured"}
    for _, row in front.iterrows():
        assert ImdeceptionSpec.from_json(json.loads(row["spec"])).digest == row["digest"]
    failed = trials[trials["state"] == "failed"].iloc[0]
    assert "NaN" in failed["reason"]
    assert pd.isna(failed["psnr_db"])


def test_page_needs_no_network(example: StudyRecord, tmp_path: Path) -> None:
    html = write_report([example], tmp_path).html.read_text()
    assert len(html) < 2e6
    html = opened(html)
    markup = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", markup)


@pytest.mark.parametrize("objectives", [("psnr_db", "latency_ms"), ("psnr_db", "latency_ms", "memory_mb", "params")])
def test_page_of_two_hundred_trials_is_under_two_megabytes(objectives: tuple[str, ...], tmp_path: Path) -> None:
    record = example_study(200)
    assert write_report([trading(record, objectives)], tmp_path).html.stat().st_size < 2_000_000


def test_headline_picks_knee_fastest_and_best(example: StudyRecord) -> None:
    head = headline(example)
    roles = {role: pick.trial for pick in head.picks for role in pick.roles}
    assert roles["fastest"].number == example.front[0]
    assert roles["best"].number == example.front[-1]
    assert roles["knee"].number in example.front
    assert dict(head.states) == {
        state: sum(one.state == state for one in example.trials) for state in {one.state for one in example.trials}
    }
    assert "demonstration set" in head.data
    commands = [pick.command for pick in head.picks]
    assert "nas-sr export mobile-x4 --knee" in commands


def test_measured_and_predicted_are_never_mixed_unmarked() -> None:
    mixed = study(
        [
            trial(0, preset("imdeception-c4"), psnr_db=25.9, latency=measurement(10.0)),
            trial(1, preset("imdeception-c8"), psnr_db=26.0, latency=prediction(20.0)),
            trial(2, preset("imdeception-c12"), psnr_db=26.1, latency=measurement(30.0, stable=False, labels=("why",))),
        ]
    )
    front = front_info(mixed)
    assert (front.count("measured"), front.count("predicted"), front.unstable) == (2, 1, 1)
    said = " ".join(pareto_sentences(mixed, front))
    assert "2 measured (full markers, thin bars: p5 to p95 of the samples; 1 not stable (crossed markers))" in said
    assert "1 predicted (hollow markers, broad bars: the 80 % interval)" in said
    assert "measured here, 12 points, cross-validated error 12 %" in said
    drawn = json.dumps(charts([mixed])["pareto-cpu"])
    assert "predicted" in drawn
    assert "not stable" in drawn or "unstable" in drawn
    html = page([mixed])
    assert '<td><span class="predicted">predicted</span></td>' in html


def test_infeasible_trials_are_shown_without_psnr() -> None:
    slow = trial(1, state="infeasible", latency=measurement(90.0), reason="90.00 ms is over the limit")
    front = front_info(study([trial(0, latency=measurement(9.0)), slow]))
    assert [point.trial for point in front.without_psnr] == [1]
    assert [point.trial for point in front.points] == [0]


def test_paper_presets_are_named(example: StudyRecord) -> None:
    drawn = json.dumps(charts([example])["pareto-cpu"])
    for name in ("c8", "c12", "c4-nla"):
        assert f'"{name}"' in drawn or f">{name}<" in drawn or name in drawn


def test_hypervolume_states_its_reference(example: StudyRecord) -> None:
    said = hypervolume_sentence(example)
    assert "25" in said
    assert "60" in said


def test_hypervolume_of_nothing_is_not_called_flat() -> None:
    below = study([trial(0, psnr_db=24.0, latency=measurement(10.0))])
    assert hypervolume_sentence(below).startswith("No trial is better than 25.00 dB yet")


def test_card_of_a_predicted_network_says_what_it_is_unlike() -> None:
    far = "outside the calibrated networks: groups 1 (calibrated with 4)"
    record = study([trial(0, latency=prediction(10.0, labels=(far,)))])
    assert far in render("pick.html.jinja", pick=headline(record).picks[0])


def test_repeats_do_not_crowd_the_chart() -> None:
    one = trial(0, psnr_db=26.0, latency=measurement(10.0))
    again = trial(1, psnr_db=26.0, latency=measurement(10.0), repeats=0)
    front = front_info(study([one, again]))
    assert [point.trial for point in front.points] == [0]
    assert headline(study([one, again])).repeats == 1


def text_of(html: str) -> str:
    """The words of a page, in one line."""
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def test_a_front_that_was_not_measured_says_so_first_and_how_to_measure_it() -> None:
    silent = "not measured: board does not answer"
    trials = [
        trial(0, psnr_db=25.0, latency=prediction(10.0, labels=(silent,))),
        trial(1, psnr_db=26.0, latency=prediction(20.0, labels=(silent,))),
    ]
    html = page([study(trials)])
    said = text_of(html)
    assert "Trials 0 and 1 of this front are predicted, not measured. Once cpu answers" in said
    assert "nas-sr search --name example --budget 2" in said
    assert silent in said
    assert html.index("predicted, not measured") < html.index('id="pareto-cpu"')
    assert "Latencies: none measured, all 2 predicted" in said
    assert "predicted, not measured" not in text_of(page([study([trial(0, latency=measurement(9.0))])]))


def test_cards_say_predicted_with_the_interval() -> None:
    latency = prediction(20.0, error=0.1)
    said = text_of(page([study([trial(0, psnr_db=26.0, latency=latency)])]))
    assert "26.00 dB 20.0 ms predicted predicted, 80 % interval 17.4 to 23.0 ms" in said


def test_cards_tell_spreads_and_cautions_of_what_was_measured() -> None:
    said = text_of(page([study([trial(0, latency=tensorrt(20.0, spread=0.0))])]))
    assert "measured, p5 to p95 20.0 to 20.0 ms, stable 3 builds × 3 runs;" in said
    assert said.count("floating clocks: they are not locked") >= 2  # on the card, and above the chart
    assert "Of the stable measurements: floating clocks: they are not locked (1 of 1)." in said


def test_a_card_does_not_drown_in_reasons() -> None:
    timed = measurement(20.0, stable=False, labels=("reason one", "reason two", "reason three", "reason four"))
    html = page([study([trial(0, latency=timed)])])
    card = text_of(html.split('<article class="pick')[1].split("</article>")[0])
    assert "not stable reason one; reason two; and 2 more, in the table of trials" in card
    assert "reason four" in text_of(html)


def test_competitors_have_a_table() -> None:
    record = study([trial(0, latency=measurement(9.0))], baselines=[baseline("other", 25.0, prediction(20.0))])
    html = page([record])
    assert "For comparison" in text_of(html)
    assert html.index('id="pareto-cpu"') < html.index("Networks from elsewhere")
    assert "For comparison" not in text_of(page([study([trial(0, latency=measurement(9.0))])]))


@pytest.fixture(scope="module")
def on_two_targets() -> list[StudyRecord]:
    return on_board(example_study(30), lambda one: finalist(board_ms(one), target="board"))


def test_a_page_of_one_target_has_no_choice_and_no_comparison(example: StudyRecord) -> None:
    html = page([example])
    assert 'name="target"' not in html
    assert "each target" not in html
    assert " --hw " not in re.sub(r"nas-sr measure \S+ --hw", "", text_of(html))  # its own default is no study's target


def test_a_page_of_two_targets_shows_each_and_opens_on_the_first(on_two_targets: list[StudyRecord]) -> None:
    html = page(on_two_targets)
    markup = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)
    assert re.findall(r'type="radio" name="target" value="(\w+)"( checked)?', markup) == [
        ("cpu", " checked"),
        ("board", ""),
    ]
    parts = re.findall(r'<div data-target="(\w+)"( hidden)?>', markup)
    assert set(parts) == {("cpu", ""), ("board", " hidden")}
    for name in ("pareto", "hypervolume", "importance"):
        assert f'id="{name}-cpu"' in markup
        assert f'id="{name}-board"' in markup
    assert markup.count('id="curves"') == markup.count('id="comparison-board"') == 1
    assert markup.count('<table class="trials"') == 2
    assert markup.count("<h3>Data</h3>") + markup.count("<h3>data</h3>") == 1
    assert "nas-sr export mobile-x4 --knee</" in markup.replace("<span>", "").replace("</span>", "")
    assert "nas-sr export mobile-x4 --knee --hw board</" in markup.replace("<span>", "").replace("</span>", "")


def test_plotly_is_embedded_once(on_two_targets: list[StudyRecord], example: StudyRecord) -> None:
    assert len(page(on_two_targets)) < len(page([example])) + 5e5


def test_both_targets_are_named_at_the_top(on_two_targets: list[StudyRecord]) -> None:
    said = text_of(page(on_two_targets))
    titles = " and ".join(record.target_title for record in on_two_targets)
    assert f"Super-resolution networks for {titles}." in said
    counts = [sum(one.latency is not None for one in record.trials) for record in on_two_targets]
    assert f"cpu · {counts[0]} measured" in said
    assert f"board · {counts[1]} measured" in said


NASTY = """a"b'<script>alert(1)</script>&amp;</title>"""


def nasty_study() -> list[StudyRecord]:
    """Every text that comes from outside tries to leave its place."""
    latency = prediction(5.0, source=NASTY, labels=(NASTY,))
    trials = [trial(0, latency=measurement(3.0, labels=(NASTY,))), trial(1, state="failed", reason=NASTY)]
    cpu, board = on_board(study(trials, name=NASTY), lambda one: latency, baselines=[baseline(NASTY, 26.0, latency)])
    return [cpu.model_copy(update={"target_title": NASTY}), board.model_copy(update={"target_title": NASTY})]


@pytest.mark.parametrize(
    "studies",
    [
        [study([], name="empty")],
        on_board(study([], name="empty on two targets"), None),
        [study([trial(0, latency=measurement(3.0))], name="single")],
        [study([trial(0, latency=prediction(3.0))], name="single predicted")],
        [study([trial(0, state="failed", reason="export: no")], name="only failures")],
        on_board(study([trial(0, latency=measurement(3.0))], name="no latency on the board"), lambda one: None),
        nasty_study(),
        [example_study(500, name="large")],
        on_board(example_study(500, name="large on two"), lambda one: prediction(board_ms(one), target="board")),
    ],
    ids=lambda studies: studies[0].name[:24],
)
def test_every_study_has_a_page(studies: list[StudyRecord], tmp_path: Path) -> None:
    files = write_report(studies, tmp_path)
    html = opened(files.html.read_text())
    assert "<script>alert" not in html
    assert "</title>&amp;" not in html
    assert len(pd.read_csv(files.csv)) == sum(len(record.trials) for record in studies)
    assert len(html) < 1e7


def test_export_commands_are_safe_to_paste() -> None:
    assert export_command(study([], name="a b; rm"), 3) == "nas-sr export 'a b; rm' --trial 3"
