"""`nas-sr hw`: the targets whose latency counts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.output import JSON, print_json
from nas_sr.console import error_console

app = typer.Typer(help="Targets whose latency counts.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def hw_list(as_json: bool = JSON) -> None:
    """Names of the shipped hardware profiles."""
    from nas_sr import shipped
    from nas_sr.measure.profile import profile

    found: list[dict[str, Any]] = [
        {"name": name, "title": profile(name).title} for name in shipped.names("hw_profiles")
    ]
    if as_json:
        print_json({"hw": found})
        return
    for entry in found:
        print(f"{entry['name']:<18} {entry['title']}")


@app.command("show")
def hw_show(hw: str = typer.Argument("cpu", help="A profile's name or file."), as_json: bool = JSON) -> None:
    """A hardware profile, with its measurement protocol."""
    import yaml

    from nas_sr.measure.profile import profile
    from nas_sr.names import absolute

    values = profile(absolute(hw) or hw).model_dump(mode="json")
    if as_json:
        print_json(values)
        return
    print(yaml.safe_dump(values, sort_keys=False), end="")


@app.command("probe", hidden=True)
@app.command("inspect")
def hw_inspect(hw: str = typer.Argument("cpu", help="A profile's name or file."), as_json: bool = JSON) -> None:
    """What is really there: versions, clocks, temperature, memory, and what differs from the profile.

    \b
        nas-sr hw inspect rtx2080
        nas-sr hw inspect my_xavier.yaml
    """
    from nas_sr.measure.inspection import differences, inspect_target, lack
    from nas_sr.measure.profile import profile

    target, console = profile(hw), error_console()
    units = []
    for unit in target.units:
        inspected = inspect_target(unit, partial(console.print, f"waiting for a measurement on {unit.where}"))
        used = next((name for name in unit.backends if lack(unit, inspected, name) is None), None)
        units.append({"where": unit.where, "backend": used, **inspected, "differs": differences(unit, inspected)})
    if as_json:
        print_json({"hw": target.name, "units": units})
        return
    for one in units:
        print(f"{target.name} ({one['where']})")
        for name, value in _plain(one):
            print(f"  {name:<28} {value}")
        print("\n".join(f"  DIFFERS: {text}" for text in one["differs"]) or "  as the profile says")


def _plain(found: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names and values worth a line; of the backends, all of the one that measures and the names of the others."""
    from nas_sr.config import flat

    backends, used = found["backends"], found["backend"]
    others: dict[str, list[str]] = {}
    for name in backends:
        if name != used:
            others.setdefault("there" if "versions" in backends[name] else "not there", []).append(name)
    printed_apart = ("where", "backend", "backends", "differs", "unix_time_s")  # in another way
    shown = {
        "backend": used or "none can be used",
        "versions": backends[used]["versions"] if used else None,
        "other backends": "; ".join(f"{state}: {', '.join(names)}" for state, names in others.items()),
        **{name: value for name, value in found.items() if name not in printed_apart},
    }
    return [(name, value) for name, value in flat(shown).items() if value is not None]


@app.command("calibrate")
def hw_calibrate(
    hw: str = typer.Argument(..., help="A profile's name or file."),
    space: str = typer.Option("imdeception_x4", "--space", help="Search space that is to be predicted."),
    points: int = typer.Option(20, "--points", "--probes", min=5, help="Networks of the space to measure."),
    out: Path = typer.Option(None, "--out", help="File to write.  [default: where this profile's predictions look]"),
    as_json: bool = JSON,
) -> None:
    """Measures the most telling networks of a space and fits what predicts the rest of it.

    Then `nas-sr search --hw HW` can predict while the device is away, and `--measure uncertain` spares it most
    candidates. Continues after an interruption.

    \b
        nas-sr hw calibrate cpu
        nas-sr hw calibrate my_xavier.yaml --points 40
    """
    from nas_sr.errors import WorkError
    from nas_sr.measure.latency_cache import cached_or_measured
    from nas_sr.measure.measurement_error import MeasurementFailed
    from nas_sr.measure.profile import profile
    from nas_sr.predict.calibrate import calibrate
    from nas_sr.predict.calibration import fit, own_path
    from nas_sr.space import read_space

    target, opened, console = profile(hw), read_space(space), error_console()
    path = out or own_path(target, hw)
    try:
        calibration = calibrate(
            target,
            opened,
            points,
            measure=lambda spec: cached_or_measured(spec, target),
            progress=lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True),
            path=path,
        )
    except MeasurementFailed as failure:
        raise WorkError(f"{target.name}: {failure}; what was measured is kept, the same command goes on") from None
    if as_json:
        print_json(
            {
                "hw": target.name,
                "calibration": str(path),
                "points": len(calibration.points),
                "omitted": [each.model_dump(mode="json") for each in calibration.omitted],
                "cross_validation": calibration.cross_validation.model_dump(mode="json"),
            }
        )
        return
    print(f"{path}")
    print(f"{target.name}: {fit(calibration).grounds}")
    print(f"{calibration.cross_validation.coverage:.0%} of them lay within their 80 % interval")
