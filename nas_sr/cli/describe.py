"""`nas-sr describe`: what an architecture costs."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.options import ARCH_HELP, STUDIES
from nas_sr.cli.output import JSON, print_json


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
    from nas_sr.names import arch

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
