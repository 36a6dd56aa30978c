"""What a reader of the report relies on: the right facts, nothing unmarked, nothing that breaks the page."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from nas_sr.arch.presets import preset
from nas_sr.arch.spec import ArchSpec
from nas_sr.records import StudyRecord
from nas_sr.report import info
from nas_sr.report.page import charts, hypervolume_sentence, page, pareto_sentences
from nas_sr.report.write import write_report
from tests.report.study_records import example_study, measurement, predicted, study, trial


@pytest.fixture(scope="module")
def example() -> StudyRecord:
    return example_study(30)


def test_files_are_written_and_pandas_reads_them(example: StudyRecord, tmp_path: Path) -> None:
    files = write_report(example, tmp_path / "out")
    trials = pd.read_csv(files.csv)
    assert list(trials["trial"]) == [one.number for one in example.trials]
    front = pd.read_csv(files.pareto_csv)
    assert list(front["trial"]) == list(example.front)
    assert front["latency_ms"].is_monotonic_increasing
    assert front["psnr_db"].is_monotonic_increasing
    assert set(front["latency_kind"]) == {"measured"}
    for _, row in front.iterrows():
        assert ArchSpec.from_json(json.loads(row["spec"])).digest == row["digest"]
    failed = trials[trials["state"] == "failed"].iloc[0]
    assert "NaN" in failed["reason"]
    assert pd.isna(failed["psnr_db"])


def test_page_needs_no_network(example: StudyRecord, tmp_path: Path) -> None:
    html = write_report(example, tmp_path).html.read_text()
    markup = re.sub(r"<script\b.*?</script>", "", html, flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", markup)
    assert "Plotly" in html
    assert len(html) < 8e6


def test_headline_picks_knee_fastest_and_best(example: StudyRecord) -> None:
    head = info.headline(example)
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
            trial(1, preset("imdeception-c8"), psnr_db=26.0, latency=predicted(20.0)),
            trial(2, preset("imdeception-c12"), psnr_db=26.1, latency=measurement(30.0, stable=False, labels=("why",))),
        ]
    )
    front = info.front_info(mixed)
    assert (front.count("measured"), front.count("predicted"), front.unstable) == (2, 1, 1)
    said = " ".join(pareto_sentences(front, info.headline(mixed)))
    assert "2 measured, 1 predicted (hollow markers); 1 not stable" in said
    drawn = json.dumps(charts(mixed)["pareto"])
    assert "predicted" in drawn
    assert "not stable" in drawn or "unstable" in drawn
    html = page(mixed)
    assert "<td>predicted</td>" in html


def test_infeasible_trials_are_shown_without_psnr() -> None:
    slow = trial(1, state="infeasible", latency=measurement(90.0), reason="90.00 ms is over the limit")
    front = info.front_info(study([trial(0, latency=measurement(9.0)), slow]))
    assert [point.trial for point in front.without_psnr] == [1]
    assert [point.trial for point in front.points] == [0]


def test_paper_presets_are_named(example: StudyRecord) -> None:
    drawn = json.dumps(charts(example)["pareto"])
    for name in ("c8", "c12", "c4-nla"):
        assert f'"{name}"' in drawn or f">{name}<" in drawn or name in drawn


def test_hypervolume_states_its_reference(example: StudyRecord) -> None:
    said = hypervolume_sentence(example)
    assert "25" in said
    assert "60" in said


def test_repeats_do_not_crowd_the_chart() -> None:
    one = trial(0, psnr_db=26.0, latency=measurement(10.0))
    again = trial(1, psnr_db=26.0, latency=measurement(10.0), repeats=0)
    front = info.front_info(study([one, again]))
    assert [point.trial for point in front.points] == [0]
    assert info.headline(study([one, again])).repeats == 1


NASTY = """a"b'<script>alert(1)</script>&amp;</title>"""


@pytest.mark.parametrize(
    "record",
    [
        study([], name="empty"),
        study([trial(0, latency=measurement(3.0))], name="single"),
        study([trial(0, state="failed", reason="export: no")], name="only failures"),
        study([trial(0, latency=measurement(3.0), reason=NASTY)], name=NASTY),
        example_study(500, name="large"),
    ],
    ids=lambda record: record.name[:10],
)
def test_every_study_has_a_page(record: StudyRecord, tmp_path: Path) -> None:
    files = write_report(record, tmp_path)
    html = files.html.read_text()
    assert "<script>alert" not in html
    assert "</title>&amp;" not in html
    assert len(pd.read_csv(files.csv)) == len(record.trials)
    assert len(html) < 9e6


def test_export_commands_are_safe_to_paste() -> None:
    assert info.export_command("a b; rm", 3) == "nas-sr export 'a b; rm' --trial 3"
