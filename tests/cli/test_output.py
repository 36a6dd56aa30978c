"""What every verb prints the same way."""

from __future__ import annotations

import pytest

from nas_sr.console import Pace, error_console


def test_brackets_in_what_is_told_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Compilers write them, and a console that took them for markup would drop words or raise."""
    text = "Error[1]: [defaultAllocator.cpp::allocate::31] in [/usr/src/tensorrt]: [bold]"
    error_console().print(text, style="dim", soft_wrap=True)
    assert capsys.readouterr().err.strip() == text


def test_pace_of_a_continued_job_counts_what_it_did_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("nas_sr.console.time.monotonic", lambda: clock[0])
    pace = Pace(1_000_000)
    clock[0] += 10
    assert pace.words(1_000_020, 1_000_220) == "2.0/s  0:01:40 left"
    assert Pace(5).words(5, 10) == ""


def test_names_on_standard_error_stay_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a:smile:b [bold]c[/bold] :7:"
    error_console().print(name, soft_wrap=True)
    assert capsys.readouterr().err == f"{name}\n"
