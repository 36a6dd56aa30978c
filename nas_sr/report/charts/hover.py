"""The texts that appear over a chart's points, in Plotly's small HTML, each rendered by a template."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from nas_sr.latency_wording import worded
from nas_sr.records import Baseline
from nas_sr.report.data.target_comparison import Network
from nas_sr.report.data.trial_info import TrialInfo
from nas_sr.report.rendering import render


def trial_hover(trial: TrialInfo) -> Markup:
    """Everything about a trial that helps to choose it."""
    return _in_one_line(render("trial_hover.html.jinja", trial=trial))


def baseline_hover(baseline: Baseline) -> Markup:
    """A network from elsewhere."""
    text = worded(baseline.latency, exact=True)
    return _in_one_line(render("baseline_hover.html.jinja", baseline=baseline, text=text))


def network_hover(network: Network, targets: Sequence[str]) -> Markup:
    """A network with its latency on each of some targets."""
    texts = [worded(latency, exact=True) for latency in network.latencies]
    return _in_one_line(
        render("network_hover.html.jinja", network=network, latencies=list(zip(targets, texts, strict=True)))
    )


def _in_one_line(html: Markup) -> Markup:
    """The template's lines are those of the text."""
    return Markup("<br>").join(line for line in html.splitlines() if line)
