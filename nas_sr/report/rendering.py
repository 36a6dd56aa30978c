"""The templates, which escape every value that is put into them.

Nothing else of the report writes HTML. A value that is not escaped is a `Markup`: what a template has rendered, what
stands in the code, and the files in `assets/` and Plotly itself, which hold nothing of a study.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nas_sr.quantities import decibels, listed, milliseconds, parameters, significant
from nas_sr.report.packing import packed


def render(template: str, **values: Any) -> Markup:
    """The text of a template, `NAME.html.jinja` in `templates/`."""
    return Markup(_environment().get_template(template).render(values))


def asset(name: str) -> Markup:
    """A file that stands in the page as it is."""
    return Markup(resources.files("nas_sr.report").joinpath("assets", name).read_text(encoding="utf-8"))


@cache
def plotly() -> Markup:
    """Plotly's script, packed: half a second, once a process."""
    from plotly.offline import get_plotlyjs

    return as_data(get_plotlyjs())


def as_data(text: str) -> Markup:
    """A text packed for an element of the page; none of the characters that it is packed in means anything to HTML."""
    return Markup(packed(text))


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("nas_sr.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "decibels": decibels,
        "listed": listed,
        "milliseconds": milliseconds,
        "parameters": parameters,
        "significant": significant,
        "wrapped": wrapped,
    }
    return found


def wrapped(text: str, width: int = 60, most: int = 4) -> list[str]:
    """A text in lines, for Plotly, which does not break them; what takes more than `most` is cut."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}"[: 2 * width].strip()
    return lines if len(lines) <= most else [*lines[:most], "…"]
