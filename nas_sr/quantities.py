"""Numbers as a reader sees them, with their units: in the report, on the command line and in a bundle's card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_sr.objectives import Objective

NOTHING = "–"


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits and never an exponent: 142, 25.3, 0.123."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # of the rounded value: 9.999 becomes 10.0
    decimals = digits - 1 - exponent
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def hundredths(value: float) -> str:
    """`25.31`, `142.30`, `0.123`: two decimals, more where those would be fewer than three significant digits."""
    return f"{value:.2f}" if abs(value) >= 1 or not value else significant(value)


def milliseconds(value: float | None, *, exact: bool = False) -> str:
    """`25.3 ms`; exactly, `25.31 ms`."""
    return NOTHING if value is None else f"{hundredths(value) if exact else significant(value)} ms"


def quantity(value: float, objective: Objective) -> str:
    """`25.3 ms`: a value of any objective."""
    return f"{significant(value)} {objective.unit or objective.title}"


def volume_unit(objectives: Sequence[Objective]) -> str:
    """`dB·ms`: the unit of the hypervolume."""
    return "·".join(each.unit or each.title for each in objectives)


def decibels(value: float | None) -> str:
    """`26.21 dB`: seeds differ in the second decimal, so a third would only pretend."""
    return NOTHING if value is None else f"{value:.2f} dB"


def parameters(count: int) -> str:
    """`113 K`."""
    return f"{significant(count / 1e6)} M" if count >= 1e6 else f"{significant(count / 1e3)} K"


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def percent(share: float) -> str:
    """`4.2 %`, with two significant digits."""
    return f"{significant(100 * share, 2)} %"


def listed(items: Sequence[object]) -> str:
    """`3, 7 and 12`."""
    texts = [str(item) for item in items]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 trial`, `2 trials`."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
