"""`nas-sr doctor`: what this machine can do."""

from __future__ import annotations

import typer

from nas_sr.cli.output import JSON, print_json


def doctor(
    hw: str = typer.Option(None, "--hw", help="Also this target: whether it answers and is as its profile says."),
    as_json: bool = JSON,
) -> None:
    """What this machine can do, what is missing, how to get it.

    \b
        nas-sr doctor
        nas-sr doctor --hw xavier
    """
    from nas_sr.doctor import checks

    results = checks(hw)
    if as_json:
        print_json({"checks": [check._asdict() for check in results]})
        return
    for check in results:
        print(f"{check.status:<8} {check.name}: {check.found}" + (f"; {check.remedy}" if check.remedy else ""))
