"""`nas-sr supernet`: weights that all networks of a search space share."""

from __future__ import annotations

from pathlib import Path

import typer

from nas_sr.cli.output import JSON, print_json

app = typer.Typer(
    help="Weights that all networks of a search space share.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("train")
def supernet_train(
    space: str = typer.Argument(..., metavar="SPACE", help="A shipped space's name or a path to a file."),
    out: Path = typer.Option(None, "--out", help="Folder of the training.  [default: supernets/SPACE]"),
    steps: int = typer.Option(None, "--steps", min=1, help="Length of the training.  [default: 16000]"),
    members_per_step: int = typer.Option(
        None, "--members-per-step", min=1, help="Networks that a step trains.  [default: 4]"
    ),
    crops: int = typer.Option(None, "--crops", min=1, help="Crops of each of them in a step.  [default: 4]"),
    draw: str = typer.Option(
        None,
        "--draw",
        help="Which they are: uniform, sandwich (the costliest, the cheapest, and others) or cost-weighted (evenly over"
        " log cost).  [default: uniform]",
    ),
    distil: bool = typer.Option(False, "--distil", help="Members also learn from the costliest one."),
    own_groups: bool = typer.Option(False, "--own-groups", help="Own weights for each number of groups."),
    max_macs_g: float = typer.Option(
        None, "--max-macs-g", help="Only networks of at most so many multiply-accumulates [G, at 256x256] are trained."
    ),
    decay: float = typer.Option(
        None, "--decay", min=0, max=1, help="Share of the steps in which the learning rate falls.  [default: 0.5]"
    ),
    learning_rate: float = typer.Option(None, "--learning-rate", help="Its maximum.  [default: 0.001]"),
    seed: int = typer.Option(None, "--seed", min=0, help="Of weights, crops and members.  [default: 0]"),
    watched: int = typer.Option(
        None,
        "--watched",
        min=1,
        help="Members whose PSNR is shown, evenly over log cost; their mean judges.  [default: 8]",
    ),
    validation_megapixels: float = typer.Option(
        None, "--validation-megapixels", help="Millions of HR pixels each is validated on.  [default: 2]"
    ),
    data: str = typer.Option(None, "--data", help="Training images.  [default: photographs inside packages]"),
    val: str = typer.Option(None, "--val", help="Validation images.  [default: a part of the training images]"),
    resume: bool = typer.Option(False, "--resume", help="Continue from the last checkpoint."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Begin anew although an unfinished training is there."),
    workers: int = typer.Option(1, "--workers", min=1, help="Processes that share each batch, a GPU or cores each."),
    address: str = typer.Option(None, "--address", help="A running Ray cluster's.  [default: this machine only]"),
    as_json: bool = JSON,
) -> None:
    """Trains a supernet: weights that every network of a search space inherits.

    \b
        nas-sr supernet train imdeception_x4 --max-macs-g 25
        nas-sr supernet train imdeception_x4 --resume
    """
    from nas_sr.config import parse
    from nas_sr.names import absolute
    from nas_sr.space import read_space
    from nas_sr.supernet.automatic import SUPERNETS
    from nas_sr.supernet.training import Recipe, train_supernet

    given = {
        "steps": steps,
        "members_per_step": members_per_step,
        "crops": crops,
        "draw": draw,
        "distil": distil or None,
        "own_groups": own_groups or None,
        "max_macs_g": max_macs_g,
        "decay": decay,
        "learning_rate": learning_rate,
        "seed": seed,
        "watched": watched,
        "validation_megapixels": validation_megapixels,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    trained = train_supernet(
        read_space(space),
        out or SUPERNETS / Path(space).stem,
        parse(changed, Recipe, "supernet train") if changed else None,
        resume=resume,
        overwrite=overwrite,
        data=absolute(data),
        val=absolute(val),
        workers=workers,
        address=address,
    )
    if as_json:
        print_json({"supernet": str(trained.path), "steps": trained.steps, "psnr_db": trained.psnr_db})
        return
    _print_members(trained.psnr_db)
    print(f"{trained.path}: {trained.steps} steps")


@app.command("show")
def supernet_show(
    path: Path = typer.Argument(..., metavar="PATH", help="A supernet.safetensors or its training's folder."),
    as_json: bool = JSON,
) -> None:
    """What a supernet is of, how it was trained, and what its members reach without further training.

    \b
        nas-sr supernet show supernets/imdeception_x4
    """
    from nas_sr.space import Space
    from nas_sr.supernet.stored import load_supernet, read_about

    about = read_about(path)
    weights = sum(parameter.numel() for parameter in load_supernet(path).parameters())
    if as_json:
        print_json({**about.model_dump(mode="json"), "weights": weights})
        return
    space = Space.model_validate(about.space)
    print(f"{space.title or 'a search space'} ({space.family}, x{space.scale}, digest {about.digest})")
    sharing = "own weights for each number of groups" if about.own_groups else "shared by all numbers of groups"
    print(f"{weights:,} weights, {sharing}; {about.steps} steps")
    _print_members(about.psnr_db)


def _print_members(psnr_db: dict[str, float]) -> None:
    """From the cheapest to the costliest."""
    width = max(map(len, psnr_db), default=0)
    for label, value in psnr_db.items():
        print(f"  {label:<{width}}  {value:.3f} dB")
