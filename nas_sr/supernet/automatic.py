"""`--supernet auto`: a supernet of exactly this space and these images, found where they are kept, or trained there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas_sr.console import counted, error_console
from nas_sr.data.image_sets import image_sets
from nas_sr.digest import digest
from nas_sr.errors import UsageError
from nas_sr.space import Space
from nas_sr.supernet.stored import SUPERNET, About, read_about, space_digest
from nas_sr.supernet.training import Recipe, train_supernet
from nas_sr.train.full_training import CHECKPOINT

SUPERNETS = Path("supernets")
AUTO = "auto"


def automatic_supernets(
    spaces: Sequence[tuple[str, Space]],
    data: str | None,
    val: str | None,
    supernets: Path = SUPERNETS,
    quiet: bool = False,
) -> list[Path]:
    """The folder of one for each space; it is said which are found, and which are trained, and for how long.

    Interrupted, the same call goes on with the training. Of several the one of the longest training is taken.

    Args:
        spaces: each with its name, of which a folder's is made.
        data: training images.
        val: validation images.
        supernets: the folder to look in.
        quiet: shows nothing on standard error.

    Raises:
        UsageError: a family has no supernet, or images are missing.
        WorkError: the training failed.
        KeyboardInterrupt: interrupted; the checkpoint is written.
    """
    return [_automatic(name, space, data, val, supernets, quiet) for name, space in spaces]


def _automatic(name: str, space: Space, data: str | None, val: str | None, supernets: Path, quiet: bool) -> Path:
    console, recipe = error_console(quiet), Recipe()
    with counted("packing images", quiet) as packing:
        images = image_sets(data, val, space.scale, recipe.crop_lr, packing).train.digest
    fitting = [(about.steps, path) for path, about in _there(supernets) if _is_of(about, space, images)]
    if fitting:
        steps, path = max(fitting)
        console.print(f"supernet {path}: of this space and these images, {steps} steps", style="dim", soft_wrap=True)
        return path
    # A name of its own: another space, or other images, may have the plain one.
    folder = supernets / f"{Path(name).stem}-{digest([space_digest(space), images], 8)}"
    resume = (folder / CHECKPOINT).is_file()
    what = "training goes on" if resume else "training one"
    console.print(
        f"no supernet in {supernets} is of this space and these images: {what} in {folder}, {recipe.steps:,} steps;"
        " the same command continues it if it is interrupted",
        style="yellow",
        soft_wrap=True,
    )
    train_supernet(space, folder, None if resume else recipe, resume=resume, data=data, val=val, quiet=quiet)
    return folder


def _there(supernets: Path) -> list[tuple[Path, About]]:
    """Finished ones; what cannot be read is none."""
    found = []
    for file in sorted(supernets.glob(f"*/{SUPERNET}")):
        try:
            found.append((file.parent, read_about(file)))
        except UsageError:
            continue
    return found


def _is_of(about: About, space: Space, images: str) -> bool:
    return (about.digest, about.scale, about.images) == (space_digest(space), space.scale, images)
