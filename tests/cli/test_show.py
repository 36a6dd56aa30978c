"""`nas-sr show` and the figures of `nas-sr report`: the front in a terminal and for a paper."""

import json
import sys
from pathlib import Path

import pytest

from nas_sr.cli.main import run
from nas_sr.report.charts.text_chart import ASCII, text_chart
from nas_sr.report.data.front_info import front_info
from nas_sr.report.figure import KINDS, write_figure
from tests.report.study_records import (
    baseline,
    example_study,
    measurement,
    on_board,
    prediction,
    study,
    trading,
    trial,
)
from tests.search.made_study import made_study


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    made_study(folder / "made")
    return folder


def test_show_draws_the_front_and_says_which_network_to_take(studies, capsys):
    assert run(["show", "made", "--studies", str(studies), "--max-latency", "15"]) == 0
    said = capsys.readouterr().out
    assert "trial 0: 25.000 dB, 10" in said
    assert f"export: nas-sr export made --studies {studies} --trial 0" in said
    assert "one training from one seed" in said
    assert said.count("◆") == 1
    assert said.count("●") == 1


def test_show_answers_in_json_as_export_chooses(studies, capsys):
    assert run(["show", "made", "--studies", str(studies), "--min-psnr", "25.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chosen"]["trial"] == 1
    assert found["chosen"]["ties"] == []
    assert found["chosen"]["objectives"]["latency_ms"] == found["chosen"]["latency_ms"]
    assert [row["trial"] for row in found["front"]] == [0, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-latency", "1"], "no network within 1 ms; the fastest is trial 0"),
        (["--max-latency", "1", "--min-psnr", "2"], "not both"),
        (["--limit", "memory_mb=2"], "its trials have no memory_mb"),
        (["--hw", "nobody"], "nobody"),
    ],
)
def test_show_refuses_in_one_line(options, said, studies, capsys):
    assert run(["show", "made", "--studies", str(studies), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("size", [(20, 4), (60, 12), (120, 30)])
def test_the_chart_in_characters_has_every_member_of_the_front(size):
    record = example_study(30)
    drawn = text_chart(front_info(record), record.front[0], *size, marks=ASCII)
    drawn.encode("ascii")
    assert drawn.count(ASCII.chosen) == 1
    if size[0] > 100:
        assert drawn.count(ASCII.front) + 1 == len(record.front)
    assert max(map(len, drawn.splitlines())) <= max(size[0], 36)


def test_a_single_point_and_one_that_is_far_off_have_a_chart():
    text_chart(front_info(study([trial(0, latency=4.0)])), 0)
    far = study([trial(0, latency=4.0), trial(1, psnr_db=3.0, latency=900.0)])
    assert text_chart(front_info(far), 0).count("·") == 0


FIGURES = {
    "predicted, with baselines": study(
        [trial(0, psnr_db=25.0, latency=measurement(3.0)), trial(1, psnr_db=26.0, latency=prediction(9.0))],
        baselines=[baseline("a $b_c$ <network>", 25.5, prediction(5.0))],
    ),
    "three objectives": trading(example_study(30), ("psnr_db", "latency_ms", "memory_mb")),
    "one point": study([trial(0, latency=4.0)]),
}


@pytest.mark.parametrize("record", FIGURES.values(), ids=FIGURES)
def test_figures_are_written_whole_and_the_same_each_time(record, tmp_path):
    for kind in KINDS:
        first, again = tmp_path / f"front.{kind}", tmp_path / f"again.{kind}"
        for path in (first, again):
            write_figure(front_info(record), path)
        assert first.stat().st_size > 5000
        assert first.read_bytes() == again.read_bytes()
    drawn = (tmp_path / "front.svg").read_text()
    assert "latency on cpu [ms]" in drawn
    assert "a $b_c$ &lt;network&gt;" in drawn or not record.baselines


def test_a_figure_has_the_fronts_that_are_laid_over(tmp_path):
    cpu, board = on_board(example_study(20), lambda one: prediction(50.0 + one.latency_ms, target="board"))
    write_figure(front_info(cpu, [board]), tmp_path / "front.svg")
    assert "Front on board" in (tmp_path / "front.svg").read_text()


def test_report_says_what_a_figure_needs(studies, tmp_path, monkeypatch, capsys):
    where = ["report", "made", "--studies", str(studies), "--reports", str(tmp_path), "--json"]
    assert run([*where, "--svg"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"] == [str(tmp_path / "made" / "front.svg")]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run([*where, "--pdf"]) == 2
    assert "pip install 'nas-sr[figures]'" in capsys.readouterr().err
    assert not (tmp_path / "made" / "front.pdf").exists()


def test_reports_of_several_studies_lie_beside_those_of_one(studies, tmp_path, capsys):
    made_study(tmp_path / "other")
    where = ["--studies", str(studies), "--reports", str(tmp_path / "reports"), "--json"]
    assert run(["report", "made", str(tmp_path / "other"), *where]) == 0
    assert json.loads(capsys.readouterr().out)["html"] == str(tmp_path / "reports" / "made+other" / "index.html")
    assert run(["report", "made", "made", *where]) == 2
    assert "named twice" in capsys.readouterr().err
