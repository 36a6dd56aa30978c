"""`nas-sr doctor`: what this machine can do."""

from __future__ import annotations

from nas_sr.cli.output import JSON, print_json


def doctor(as_json: bool = JSON) -> None:
    """What this machine can do, what is missing, how to get it.

    \b
        nas-sr doctor
    """
    from nas_sr.doctor import checks

    results = checks()
    if as_json:
        print_json({"checks": [check._asdict() for check in results]})
        return
    for check in results:
        print(f"{check.status:<8} {check.name}: {check.found}" + (f"; {check.remedy}" if check.remedy else ""))
