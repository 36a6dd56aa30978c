"""Verbs about architectures and machines, before any search: describe, measure, space, hw, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from nas_sr.cli.names import STUDIES, absolute, arch
from nas_sr.cli.output import JSON, print_json

ARCH_HELP = "A preset's name, a spec file, a bundle, or STUDY:TRIAL."
HW = typer.Option("cpu", "--hw", help="A hardware profile (`nas-sr hw list`) or a path to one.")

space_app = typer.Typer(help="Search spaces.", no_args_is_help=True, rich_markup_mode=None)
hw_app = typer.Typer(help="Targets whose latency counts.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Adds these verbs."""
    app.command("describe")(describe)
    app.command("measure")(measure)
    app.command("doctor")(doctor)
    app.add_typer(space_app, name="space")
    app.add_typer(hw_app, name="hw")


def describe(
    architecture: str = typer.Argument(..., metavar="ARCH", help=ARCH_HELP),
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Counts of an architecture, as the NTIRE challenge counts.

    \b
        nas-sr describe imdeception-c16-nla
        nas-sr describe my_spec.json --json
    """
    from nas_sr.arch.counts import counts
    from nas_sr.arch.presets import preset_name

    spec = arch(architecture, studies)
    numbers = counts(spec)
    name = preset_name(spec) or spec.label()
    if as_json:
        print_json({"name": name, "digest": spec.digest, **numbers._asdict(), "spec": spec.to_json()})
        return
    print(f"{name}  (x{spec.scale}, digest {spec.digest})")
    print(f"  parameters   {numbers.params:>12,}")
    print(f"  MACs         {numbers.macs_g:>12.4f} G   convolutions, without bias")
    print(f"  NTIRE FLOPs  {numbers.ntire_flops_g:>12.4f} G   MACs + one per ReLU or LeakyReLU output")
    print(f"  activations  {numbers.activations_m:>12.2f} M   outputs of all convolutions")
    print(f"  convolutions {numbers.convs:>12}")
    for key, value in spec.to_json().items():
        print(f"  {key:<12} {value!s:>12}")


def measure(
    network: str = typer.Argument(..., metavar="ARCH_OR_ONNX", help=f"{ARCH_HELP} Or any ONNX file."),
    hw: str = HW,
    studies: Path = STUDIES,
    as_json: bool = JSON,
) -> None:
    """Latency of one network, really measured.

    A stable earlier measurement of the same network on the same target is reused.

    \b
        nas-sr measure imdeception-c8 --hw cpu
        nas-sr measure other_network.onnx --hw cpu --json
    """
    from nas_sr.errors import WorkError
    from nas_sr.latency.failure import MeasurementFailed
    from nas_sr.latency.latency_cache import cached_or_measured, cached_or_measured_file
    from nas_sr.latency.profile import profile

    target = profile(hw)
    try:
        if network.endswith(".onnx"):
            result = cached_or_measured_file(Path(network), target)
        else:
            result = cached_or_measured(arch(network, studies), target)
    except MeasurementFailed as error:
        raise WorkError(f"{network} on {target.name}: {error}") from None
    if as_json:
        print_json(result.summary())
        return
    print(
        f"{result.latency_ms:.3f} ms measured ({result.backend} on {result.target},"
        f" LR input {result.lr_width}x{result.lr_height}, {result.machine['threads']} threads)"
    )
    print(
        f"  p5 {result.percentile(5):.3f}  p95 {result.percentile(95):.3f}  IQR {result.iqr_ms:.3f} ms"
        f"  variation {result.cov:.1%}  {result.runs} runs  reference {result.reference_latency_ms:.3f} ms"
    )
    print(f"  {'stable' if result.stable else 'UNSTABLE'}{': ' if result.labels else ''}{'; '.join(result.labels)}")


def doctor(as_json: bool = JSON) -> None:
    """What this machine can do, what is missing, how to get it.

    \b
        nas-sr doctor
    """
    from nas_sr.doctor import checks

    found = checks()
    if as_json:
        print_json({"checks": [check._asdict() for check in found]})
        return
    for check in found:
        print(f"{check.status:<8} {check.name}: {check.found}" + (f"; {check.remedy}" if check.remedy else ""))


@space_app.command("show")
def space_show(
    space: str = typer.Argument("imdeception_x4", help="A shipped space's name or a path to a file."),
    as_json: bool = JSON,
) -> None:
    """Parameters of a search space, and how many distinct networks it holds.

    \b
        nas-sr space show imdeception_x4
        nas-sr space show my_space.yaml
    """
    from nas_sr.arch.counts import counts
    from nas_sr.space import read_space

    opened = read_space(space)
    digests = opened.architectures
    params = [counts(opened.spec(choice)).params for choice in digests.values()]
    presets = list(opened.presets())
    if as_json:
        values = {key: opened.values(key) for key in opened.parameters}
        print_json(
            {
                "space": space,
                "parameters": values,
                "combinations": opened.combinations(),
                "distinct": len(digests),
                "presets": presets,
            }
        )
        return
    print(f"{opened.title or space} (x{opened.scale})")
    for key in opened.parameters:
        print(f"  {key:<10} {', '.join(str(list(v) if isinstance(v, tuple) else v) for v in opened.values(key))}")
    for key, value in opened.fixed.items():
        print(f"  {key:<10} {value} (fixed)")
    print(f"{opened.combinations():,} combinations, {len(digests):,} distinct networks")
    print(f"parameters from {min(params):,} to {max(params):,}")
    print(f"the paper's presets inside: {', '.join(presets) or 'none'}")


@space_app.command("list")
def space_list(as_json: bool = JSON) -> None:
    """Names of the shipped search spaces."""
    from nas_sr import shipped

    found = shipped.names("search_spaces")
    if as_json:
        print_json({"spaces": found})
        return
    print("\n".join(found))


@hw_app.command("list")
def hw_list(as_json: bool = JSON) -> None:
    """Names of the shipped hardware profiles."""
    from nas_sr import shipped
    from nas_sr.latency.profile import profile

    found: list[dict[str, Any]] = [
        {"name": name, "title": profile(name).title} for name in shipped.names("hw_profiles")
    ]
    if as_json:
        print_json({"hw": found})
        return
    for entry in found:
        print(f"{entry['name']:<12} {entry['title']}")


@hw_app.command("show")
def hw_show(hw: str = typer.Argument("cpu", help="A profile's name or file."), as_json: bool = JSON) -> None:
    """A hardware profile, with its measurement protocol."""
    import yaml

    from nas_sr.latency.profile import profile

    values = profile(absolute(hw) or hw).model_dump(mode="json")
    if as_json:
        print_json(values)
        return
    print(yaml.safe_dump(values, sort_keys=False), end="")
