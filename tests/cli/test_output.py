"""What every verb prints the same way."""

from __future__ import annotations

import pytest

from nas_sr.cli.output import error_console


def test_brackets_in_what_is_told_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Compilers write them, and a console that took them for markup would drop words or raise."""
    text = "Error[1]: [defaultAllocator.cpp::allocate::31] in [/usr/src/tensorrt]: [bold]"
    error_console().print(text, style="dim", soft_wrap=True)
    assert capsys.readouterr().err.strip() == text
