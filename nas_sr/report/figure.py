"""The Pareto chart as a picture for a paper: PNG, SVG or PDF, drawn by matplotlib, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_sr.errors import UsageError
from nas_sr.families.registry import NAMES
from nas_sr.files import replacing
from nas_sr.report.data.front_info import FrontInfo, Point
from nas_sr.report.data.trial_info import without_prefix
from nas_sr.report.data.view import view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("png", "svg", "pdf")
SIZE_INCHES = (6.4, 4.0)
DPI = 300  # of PNG
# The page's colours in light; told apart by lightness, and by mark, as well.
FRONT, KNEE, DOMINATED, OTHERS, RIVAL = "#0a5ea8", "#c2410c", "#8f98a3", ("#d98e04", "#7a3fa8", "#8a6100"), "#7a3fa8"
MARKS = ("o", "s", "^", "p", "*", "h")  # of families: the page's SYMBOLS


def require_matplotlib() -> None:
    """Refuses where it is not installed.

    Raises:
        UsageError: with the line that installs it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("a figure needs matplotlib: pip install 'nas-sr[figures]'") from None


def write_figure(info: FrontInfo, path: Path) -> None:
    """Writes the chart of a front that is not empty, in the format that the path ends with, one of `KINDS`.

    Texts stay texts in SVG and PDF. Bars span what the page's do; hollow marks are predicted latencies.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    seen = view(info)
    # The salt makes the ids of an SVG those of its contents.
    with rc_context(
        {"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "nas-sr", "pdf.fonttype": 42, "text.parse_math": False}
    ):
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        symbols = _symbols(info)
        _points(axes, "Dominated", info.dominated, DOMINATED, 18, symbols)
        for front, colour in zip(info.others, OTHERS, strict=False):
            xs, ys = [p.latency_ms for p in front.points], [p.psnr_db or 0.0 for p in front.points]
            joined: dict[str, Any] = (
                {"drawstyle": "steps-post", "linestyle": "--"} if front.is_staircase else {"linestyle": ""}
            )
            axes.plot(xs, ys, color=colour, marker=">", markersize=4, linewidth=1, label=front.name, **joined)
        if info.is_staircase:
            xs, ys = [p.latency_ms for p in info.front], [p.psnr_db or 0.0 for p in info.front]
            axes.plot(xs, ys, color=FRONT, drawstyle="steps-post", linewidth=1.4, zorder=2)
        _points(axes, "Pareto front", info.front, FRONT, 30, symbols)
        for baseline in info.baselines:
            latency = baseline.latency
            axes.scatter(latency.latency_ms, baseline.psnr_db, s=34, marker="D", zorder=3, **_fill(latency.kind, RIVAL))
            axes.annotate(baseline.name, (latency.latency_ms, baseline.psnr_db), (5, -9), textcoords="offset points")
        for point in (one for one in info.points if one.preset):
            place = (point.latency_ms, point.psnr_db or 0.0)
            axes.annotate(without_prefix(point.preset or ""), place, (5, -10), textcoords="offset points", fontsize=8)
        if info.knee:
            place = (info.knee.latency_ms, info.knee.psnr_db or 0.0)
            axes.scatter(*place, s=110, marker="D", facecolors="none", edgecolors=KNEE, linewidths=1.6, label="Knee")
        axes.set_xlim(*seen.latency_ms)
        axes.set_ylim(*seen.psnr_db)
        axes.set_xlabel(f"latency on {info.target} [ms]")
        axes.set_ylabel("validation PSNR [dB]")
        axes.grid(color="#eef0f2")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="lower right")
        with replacing(path) as temporary:
            # Without the day it was drawn: the same study gives the same file.
            metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(path.suffix[1:], {})
            figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)


def _points(axes: Axes, name: str, points: Sequence[Point], colour: str, size: int, symbols: dict[int, str]) -> None:
    if points:
        xs, ys = [p.latency_ms for p in points], [p.psnr_db or 0.0 for p in points]
        low, high = [p.latency_ms - p.low_ms for p in points], [p.high_ms - p.latency_ms for p in points]
        sds = [p.sd_db or 0.0 for p in points] if any(p.sd_db for p in points) else None
        axes.errorbar(
            xs, ys, xerr=[low, high], yerr=sds, fmt="none", ecolor=colour, elinewidth=0.7, capsize=2, alpha=0.7
        )
    for kind in sorted({point.kind for point in points}):
        for symbol in dict.fromkeys(symbols[point.trial] for point in points):
            found = [point for point in points if (point.kind, symbols[point.trial]) == (kind, symbol)]
            label = f"{name}, {kind} ({len(found)})"
            places = [p.latency_ms for p in found], [p.psnr_db or 0.0 for p in found]
            axes.scatter(*places, s=size, marker=symbol, zorder=3, label=label, **_fill(kind, colour))


def _symbols(info: FrontInfo) -> dict[int, str]:
    """The mark of each trial's family."""
    marks = dict(zip([name for name in NAMES if name in info.families.values()], MARKS, strict=False))
    return {trial: marks[name] for trial, name in info.families.items()}


def _fill(kind: str, colour: str) -> dict[str, Any]:
    return {"facecolors": "white" if kind == "predicted" else colour, "edgecolors": colour, "linewidths": 1.2}
