"""`nas-sr data`: image sets, packed and checked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nas_sr.cli.output import JSON, print_json
from nas_sr.command_line import command
from nas_sr.console import counted, error_console

if TYPE_CHECKING:
    from nas_sr.data.packing import Packed

_USUAL_SCALE = 4  # of the space that a search takes by itself

app = typer.Typer(help="Image sets.", no_args_is_help=True, rich_markup_mode=None)


@app.command("prepare")
def prepare(
    sources: list[Path] = typer.Argument(..., metavar="SRC...", help="Folders of images: DIV2K, Flickr2K, your own."),
    out: Path = typer.Option(..., "--out", metavar="PACK", help="Folder to write; `--data PACK` then takes it."),
    scale: int = typer.Option(4, "--scale", min=2, max=4, help="HR pixels for each LR pixel."),
    val: int = typer.Option(
        None, "--val", metavar="N", min=0, help="Images held out for validation; 0: none.  [default: one in ten, 1-16]"
    ),
    val_data: Path = typer.Option(None, "--val-data", metavar="DIR", help="All validation images, instead of --val."),
    min_lr: int = typer.Option(
        16, "--min-lr", min=1, help="Training images with a shorter side, in LR pixels, are left out."
    ),
    leave_out_bad: bool = typer.Option(False, "--leave-out-bad", help="Pack without images that cannot be used."),
    workers: int = typer.Option(None, "--workers", min=1, help="Processes that read images.  [default: all cores]"),
    as_json: bool = JSON,
) -> None:
    """Packs image folders once, for every search and training on this machine.

    Reads every file, makes LR images that are missing (MATLAB's bicubic), compares those that are there with their HR
    images, leaves out pictures that come twice, and reads the pack back. Killed, it continues with the same command;
    another pack is never overwritten.

    \b
        nas-sr data prepare DIV2K Flickr2K --val-data DIV2K/DIV2K_valid_HR --out packs/df2k
        nas-sr search --hw cpu --budget 48 --data packs/df2k

    JSON: pack, scale, train and val (each: folder, images, digest, bytes, decoded: images packed just now, problems;
    val is null without validation images), notes (about the source folders), wall_s.
    """
    from nas_sr.data.check import check as check_pack
    from nas_sr.data.packing import BadImages, How
    from nas_sr.data.prepare import prepare as prepare_packs
    from nas_sr.errors import UsageError, WorkError

    if val is not None and val_data is not None:
        raise UsageError("prepare takes --val N or --val-data DIR, not both")
    start = time.monotonic()
    console = error_console()

    def waiting(folder: Path) -> None:
        console.print(f"waiting for another process that is packing in {folder}", style="dim", soft_wrap=True)

    try:
        with counted("packing images") as progress:
            how = How(workers, leave_out_bad, progress, waiting)
            made = prepare_packs(sources, out, scale, val=val, val_data=val_data, min_lr=min_lr, how=how)
    except BadImages as error:
        for line in error.lines:
            console.print(line, soft_wrap=True)
        raise
    packs = [packed for packed in (made.train, made.val) if packed]
    for line in (*made.notes, *(problem for packed in packs for problem in packed.problems)):
        console.print(line, style="dim", soft_wrap=True)
    with counted("reading the pack back") as progress:  # always: an earlier call may have been killed while it read
        broken = check_pack([out], scale, progress, workers).bad
    if broken:
        raise WorkError(
            f"{out}: {len(broken)} images did not read back as written, the first: {broken[0].problem};"
            " look at the disk, delete the pack and prepare it anew"
        )
    if as_json:
        print_json(
            {
                "pack": str(out),
                "scale": scale,
                "train": _summary(made.train),
                "val": _summary(made.val) if made.val else None,
                "notes": made.notes,
                "wall_s": time.monotonic() - start,
            }
        )
        return
    with_val = f", {len(made.val.pack)} to validate" if made.val else ""
    size = sum(packed.pack.size for packed in packs) / 1e9
    decoded = sum(packed.decoded for packed in packs)
    print(
        f"{out}: {len(made.train.pack)} images to train on{with_val}, {size:.2f} GB; {decoded} of them packed just now"
    )
    open_words = {} if made.val else {"DIR": "a folder of validation images, of which the pack has none"}
    if scale != _USUAL_SCALE:
        open_words["SPACE"] = f"a search space of scale {scale}"
    for word, meaning in open_words.items():
        print(f"in the next command, {word} stands for {meaning}")
    options = {"--val": "DIR" if "DIR" in open_words else None, "--space": "SPACE" if "SPACE" in open_words else None}
    print(f"next: {command('search', options={'--data': out, **options})}")


@app.command("check")
def check(
    paths: list[Path] = typer.Argument(..., metavar="DIR...|PACK", help="Folders of images, or one pack."),
    scale: int = typer.Option(4, "--scale", min=2, max=4, help="That of the LR folders; a pack knows its own."),
    workers: int = typer.Option(None, "--workers", min=1, help="Processes that read images.  [default: all cores]"),
    as_json: bool = JSON,
) -> None:
    """Names every file that is broken or does not match; exit status 1 if there is one.

    Folders: unreadable files, HR and LR without each other, sizes, LR images that show another picture, pictures that
    are there twice. A pack: cut short, changed pixels, pictures both trained and validated on. Notes, which may be
    intended: files and folders that are passed over, metadata that is broken, LR images that are not bicubic.

    \b
        nas-sr data check DIV2K Flickr2K
        nas-sr data check packs/df2k

    JSON: kind (images or pack), images (how many were looked at), bad and notes (lists of file and problem).
    """
    from nas_sr.data.check import check as run_check

    with counted("checking images") as progress:
        checked = run_check(paths, scale, progress, workers)
    if as_json:
        print_json(
            {
                "kind": checked.kind,
                "images": checked.images,
                "bad": [remark._asdict() for remark in checked.bad],
                "notes": [remark._asdict() for remark in checked.notes],
            }
        )
    else:
        for remark in checked.notes:
            print(f"note: {remark.file}: {remark.problem}")
        for remark in checked.bad:
            print(f"{remark.file}: {remark.problem}")
        print(f"{len(checked.bad)} bad among {checked.images} images")
    if checked.bad:
        raise typer.Exit(1)


def _summary(packed: Packed) -> dict[str, Any]:
    pack = packed.pack
    return {
        "folder": str(pack.folder),
        "images": len(pack),
        "digest": pack.digest,
        "bytes": pack.size,
        "decoded": packed.decoded,
        "problems": list(packed.problems),
    }
