"""Writes docs/command_line.md from the verbs themselves: `python -m nas_sr.cli.reference`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from typer import Typer
from typer.models import ArgumentInfo, OptionInfo, ParameterInfo

PAGE = Path("docs/command_line.md")
COMMAND = "python -m nas_sr.cli.reference"
_KINDS = {str: "TEXT", Path: "PATH", int: "N", float: "X"}

_HEAD = f"""# Command line

Written by `{COMMAND}` from the verbs' own help; a test fails when this page is out of date.

Every verb that answers takes `--json` and then prints exactly one JSON object on standard output, each figure once;
progress and messages go to standard error. Keys may be added, not renamed. Exit status: 0 done, 1 the work failed, 2
the call or a config was wrong (one line: what, where, what is allowed), 130 interrupted with the state kept.

- ARCH is a preset's name, a spec file, a bundle, or `STUDY:TRIAL`.
- MODEL is a bundle folder, a .safetensors, .pth, .ckpt or .onnx file, `STUDY:TRIAL`, or `bicubic`.
- STUDY is a study's name or the path of its folder.
- HW is the name of a hardware profile (`nas-sr hw list`) or the path of a file.
"""


def page() -> str:
    """The whole page."""
    from nas_sr.cli.main import app

    return "\n".join([_HEAD, *(_section(name, verb) for name, verb in _verbs(app, "nas-sr"))])


def _verbs(app: Typer, path: str) -> Iterator[tuple[str, Callable[..., None]]]:
    for command in app.registered_commands:
        if command.callback and not command.hidden:
            yield f"{path} {command.name}", command.callback
    for group in app.registered_groups:
        assert group.typer_instance
        yield from _verbs(group.typer_instance, f"{path} {group.name}")


def _section(name: str, verb: Callable[..., None]) -> str:
    types = get_type_hints(verb)
    given = {key: value.default for key, value in inspect.signature(verb).parameters.items()}
    arguments = {key: info for key, info in given.items() if isinstance(info, ArgumentInfo)}
    options = {key: info for key, info in given.items() if isinstance(info, OptionInfo)}
    usage = " ".join([name, *(_argument(key, info) for key, info in arguments.items()), "[OPTIONS]"])
    rows = [f"| `{_argument(key, info)}` | {_explained(info, types[key])} |" for key, info in arguments.items()]
    rows += [f"| `{_spelled(info, types[key])}` | {_explained(info, types[key])} |" for key, info in options.items()]
    table = ["| argument or option | means |", "|---|---|", *rows, ""]
    return "\n".join([f"## {name}", "", f"`{usage}`", "", *_prose(verb.__doc__ or ""), *table])


def _prose(text: str) -> list[str]:
    """A verb's help as Markdown: its examples, which click marks with a backspace, as a block of commands."""
    lines: list[str] = []
    for block in inspect.cleandoc(text).split("\n\n"):
        kept = block.splitlines()
        if kept and kept[0].strip() == "\b":
            lines += ["```sh", *(line.strip() for line in kept[1:]), "```", ""]
        else:
            lines += [*kept, ""]
    return lines


def _argument(name: str, info: ArgumentInfo) -> str:
    shown = str(info.metavar or name.upper())
    return shown if info.default is ... else f"[{shown}]"


def _spelled(info: OptionInfo, kind: Any) -> str:
    names = ", ".join(info.param_decls or ())
    (one,) = get_args(kind) or (kind,)
    return names if one is bool else f"{names} {info.metavar or _KINDS[one]}"


def _explained(info: ParameterInfo, kind: Any) -> str:
    text = str(info.help or "")
    if isinstance(info, OptionInfo) and get_origin(kind) is list and "several" not in text and "repeat" not in text:
        text += " May be given several times."
    if info.default not in (..., None, False) and "[default" not in text:
        text += f"  [default: {info.default}]"
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
