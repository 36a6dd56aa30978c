"""Verbs about architectures and this machine, before any search: describe, space, doctor."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.names import ARCH_HELP, STUDIES, arch
from nas_sr.cli.output import JSON, print_json

space_app = typer.Typer(help="Search spaces.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Adds these verbs."""
    app.command("describe")(describe)
    app.command("doctor")(doctor)
    app.add_typer(space_app, name="space")


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
    from nas_sr.families.counts import counts
    from nas_sr.families.presets import preset_name

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
    from nas_sr.families.counts import counts
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
                "family": opened.family,
                "parameters": values,
                "combinations": opened.combinations(),
                "distinct": len(digests),
                "presets": presets,
            }
        )
        return
    print(f"{opened.title or space} ({opened.family}, x{opened.scale})")
    for key in opened.parameters:
        print(f"  {key:<10} {', '.join(str(list(v) if isinstance(v, tuple) else v) for v in opened.values(key))}")
    for key, value in opened.fixed.items():
        print(f"  {key:<10} {value} (fixed)")
    print(f"{opened.combinations():,} combinations, {len(digests):,} distinct networks")
    print(f"parameters from {min(params):,} to {max(params):,}")
    print(f"known networks inside: {', '.join(presets) or 'none'}")


@space_app.command("list")
def space_list(as_json: bool = JSON) -> None:
    """Names of the shipped search spaces."""
    from nas_sr import shipped

    found = shipped.names("search_spaces")
    if as_json:
        print_json({"spaces": found})
        return
    print("\n".join(found))
