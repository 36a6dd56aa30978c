"""The lines of the Pareto chart that are no trial: bicubic interpolation and the latency limit."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from nas_sr.quantities import decibels, milliseconds
from nas_sr.report.charts import chart_style as style
from nas_sr.report.data.front_info import FrontInfo
from nas_sr.report.data.view import View


def bicubic_seen(info: FrontInfo, seen: View) -> bool:
    """Whether the line of bicubic interpolation is in the visible part."""
    return info.bicubic_psnr_db is not None and seen.psnr_db[0] <= info.bicubic_psnr_db <= seen.psnr_db[1]


def _limit_seen(info: FrontInfo, seen: View) -> bool:
    return info.max_latency_ms is not None and seen.latency_ms[0] <= info.max_latency_ms <= seen.latency_ms[1]


def reference_lines(info: FrontInfo, seen: View) -> list[dict[str, Any]]:
    """The lines themselves, as Plotly's shapes."""
    line = {"color": style.MUTED, "width": 1.2, "dash": "dash"}
    lines: list[dict[str, Any]] = []
    if bicubic_seen(info, seen):
        across = {
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "yref": "y",
            "y0": info.bicubic_psnr_db,
            "y1": info.bicubic_psnr_db,
        }
        lines.append({"type": "line", "layer": "below", "line": line, **across})
    if _limit_seen(info, seen):
        up = {"xref": "x", "x0": info.max_latency_ms, "x1": info.max_latency_ms, "yref": "paper", "y0": 0, "y1": 1}
        lines.append({"type": "line", "layer": "above", "line": line | {"dash": "dot"}, **up})
    return lines


def reference_names(info: FrontInfo, seen: View) -> list[dict[str, Any]]:
    """Their names, as Plotly's annotations in the margin."""
    quiet = {"showarrow": False, "font": {"size": 12, "color": style.MUTED}}
    names: list[dict[str, Any]] = []
    if bicubic_seen(info, seen):
        text = Markup("bicubic<br>{}").format(decibels(info.bicubic_psnr_db))
        beside = {"xref": "paper", "x": 1.006, "xanchor": "left", "y": info.bicubic_psnr_db, "yanchor": "middle"}
        names.append({"text": text, "align": "left", **beside, **quiet})
    if _limit_seen(info, seen):
        above = {"x": info.max_latency_ms, "xanchor": "center", "yref": "paper", "y": 1, "yanchor": "bottom"}
        names.append({"text": f"limit {milliseconds(info.max_latency_ms)}", **above, **quiet})
    return names
