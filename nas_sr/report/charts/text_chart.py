"""The chart a network is chosen from, in characters: for a terminal."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from nas_sr.quantities import significant
from nas_sr.report.data.front_info import FrontInfo
from nas_sr.report.data.view import view

MARGIN = 8  # characters of the PSNR axis' numbers
LEAST = (24, 6)  # columns and lines of a plot that can be read


class Marks(NamedTuple):
    """The characters that a chart is drawn in."""

    chosen: str
    front: str
    dominated: str
    across: str
    up: str
    corner: str


UNICODE = Marks("◆", "●", "·", "─", "│", "┘")
ASCII = Marks("#", "o", ".", "-", "|", "+")


def text_chart(info: FrontInfo, chosen: int, width: int = 78, height: int = 20, marks: Marks = UNICODE) -> str:
    """PSNR over latency of a front that is not empty, each of its members with its number.

    Args:
        info: of one target.
        chosen: number of the trial to mark.
        width: columns, with the axis' numbers.
        height: lines, with the axis below.
        marks: what to draw with.
    """
    columns, lines = max(width - MARGIN - 2, LEAST[0]), max(height - 3, LEAST[1])
    (left, right), (bottom, top), *_ = view(info)
    cells = [[" "] * columns for _ in range(lines)]

    def cell(latency_ms: float, psnr_db: float) -> tuple[int, int]:
        across = (latency_ms - left) / (right - left) * (columns - 1)
        return round((top - psnr_db) / (top - bottom) * (lines - 1)), round(across)

    def put(line: int, column: int, text: str, *, over: bool = True) -> None:
        for place, letter in enumerate(text, column):
            if 0 <= line < lines and 0 <= place < columns and (over or cells[line][place] == " "):
                cells[line][place] = letter

    front = [(point, *cell(point.latency_ms, point.psnr_db or 0.0)) for point in info.front]
    for (_, line, column), (_, upper, end) in itertools.pairwise(front if info.is_staircase else ()):
        put(line, column, marks.across * (end - column))
        put(line, end, marks.corner)
        for step in range(upper + 1, line):
            put(step, end, marks.up)
    for point in info.dominated:
        put(*cell(point.latency_ms, point.psnr_db or 0.0), marks.dominated, over=False)
    for point, line, column in front:
        put(line, column, marks.chosen if point.trial == chosen else marks.front)
    for point, line, column in front:
        put(line - 1, column, str(point.trial), over=False)

    numbers = {0: top, lines // 2: top - (top - bottom) * (lines // 2) / (lines - 1), lines - 1: bottom}
    rows = [
        f"{f'{numbers[line]:.2f}' if line in numbers else '':>{MARGIN}} {marks.up}{''.join(row).rstrip()}"
        for line, row in enumerate(cells)
    ]
    low, high = (f"{significant(max(end, 0.0))} ms" for end in (left, right))
    floor = f"{'':>{MARGIN}} {marks.corner if marks is ASCII else '└'}{marks.across * columns}"
    names = f"{'':>{MARGIN + 2}}{low}{'latency':^{max(columns - len(low) - len(high), 7)}}{high}"
    return "\n".join([f"{'PSNR':>{MARGIN}}", *rows, floor, names])
