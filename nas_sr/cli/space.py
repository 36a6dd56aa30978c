"""`nas-sr space`: the search spaces."""

from __future__ import annotations

import typer

from nas_sr.cli.output import JSON, print_json

app = typer.Typer(help="Search spaces.", no_args_is_help=True, rich_markup_mode=None)


@app.command("show")
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


@app.command("list")
def space_list(as_json: bool = JSON) -> None:
    """Names of the shipped search spaces."""
    from nas_sr import shipped

    names = shipped.names("search_spaces")
    if as_json:
        print_json({"spaces": names})
        return
    print("\n".join(names))
