"""The audit's section: its figures are those of the record, and a page without an audit has none."""

from __future__ import annotations

import re
from html import unescape

import pytest

from nas_sr.audit_record import Audit, AuditedNetwork, RankAgreement, Regret
from nas_sr.audit_wording import rows, sentences
from nas_sr.cli.audit import _print
from nas_sr.report.page import page
from tests.report.study_records import example_study


def _network(number: int, *psnr_db: float | None, on_front: bool = True, probability: float | None = 0.9):
    return AuditedNetwork(
        number=number, label=f"<b>{number}</b>", on_front=on_front, latency_ms=10.0 + number, macs_g=1.0,
        search_db=26.0, psnr_db=psnr_db, front_probability=probability,
    )  # fmt: skip


AUDIT = Audit(
    target="cpu",
    steps=8000,
    times=10,
    seeds=(1, 2),
    networks=(
        _network(3, 26.5, 26.7),
        _network(4, 26.4, None, on_front=False, probability=0.25),
        _network(5, None, None),
    ),
    missing=2,
    failed=1,
    regret=Regret(mean_db=0.0123, low_db=0.004, high_db=0.03, largest_db=0.05, largest_within_ms=14.0),
    search=RankAgreement(tau=0.71, low=0.4, high=0.93),
    macs=RankAgreement(tau=0.5, low=None, high=None),
    ceiling=0.84,
)


def test_page_shows_regret_tau_with_its_ceiling_and_every_network() -> None:
    study = example_study(12).model_copy(update={"audit": AUDIT})
    text = unescape(re.sub(r"<(?!b>)[^>]*>", " ", page([study]).split("Audit: the front", 1)[1].split("</section>")[0]))
    for said in (
        "8,000 steps (10 times the search's) from seeds 1, 2",
        "2 trainings still to do",
        "1 training failed",
        "Regret at equal latency: 0.012 dB (90 % interval 0.004 to 0.030)",
        "at most 0.050 dB, within 14.0 ms",
        "tau of the search's PSNR: 0.71 (0.40 to 0.93); a perfect score would reach 0.84",
        "multiply-accumulates 0.50",
        "26.600",
        "26.500 to 26.700",
        "26.000 (front)",
        "25 %",
        "<b>3</b>",  # escaped
    ):
        assert said in text, said


def test_page_without_an_audit_has_no_section() -> None:
    assert "Audit: the front" not in page([example_study(12)])


def test_command_line_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    _print(AUDIT)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("Trial  Latency")
    assert printed[2].split("  ")[0] == "4"
    assert printed[-3:] == sentences(AUDIT)


def test_audit_that_has_just_begun_says_only_what_is_known() -> None:
    begun = AUDIT.model_copy(
        update={"regret": None, "search": None, "networks": tuple(_network(n, probability=None) for n in (3, 4))}
    )
    assert len(sentences(begun)) == 1
    assert all(row[3:6] == ("–", "–", "–") for row in rows(begun))
