"""Turns image files into larger image files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas_sr.data.images import IMAGE_SUFFIXES, UnreadableImage, is_image, read_rgb, write_png
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.evaluate import Upscaler


def upscale_files(
    upscaler: Upscaler,
    source: Path,
    target: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    left_out: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Upscales an image to `target`, or every image of a folder into the folder `target`, as PNG.

    Files that cannot be read are told to `left_out` and skipped. Nothing is written before all names are checked.

    Raises:
        UsageError: no image there, or a file would be overwritten.
        WorkError: no image could be read.
    """
    jobs = _jobs(source, target)
    existing = [path for _, path in jobs if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UsageError(f"{existing[0]}{more} would be overwritten; say --overwrite to allow that")
    written = []
    for done, (image, path) in enumerate(jobs, start=1):
        try:
            write_png(path, upscaler(read_rgb(image)))
            written.append(path)
        except UnreadableImage as error:
            left_out(str(error))
            problem = error
        progress(done, len(jobs))
    if not written:
        raise WorkError(f"no image could be upscaled: {problem}")
    return written


def _jobs(source: Path, target: Path) -> list[tuple[Path, Path]]:
    """Pairs of image and file to write."""
    if source.is_dir():
        images = sorted(path for path in source.iterdir() if is_image(path))
        if not images:
            raise UsageError(f"{source}: no images; read are {', '.join(IMAGE_SUFFIXES)}")
        if target.suffix.lower() in IMAGE_SUFFIXES:
            raise UsageError(f"{target}: a folder of images needs a folder to write to")
        jobs = [(image, target / f"{image.stem}.png") for image in images]
        names = [path for _, path in jobs]
        twice = next((path.name for path in names if names.count(path) > 1), None)
        if twice:
            raise UsageError(f"{source}: two images would both become {twice}")
        return jobs
    if not source.is_file():
        raise UsageError(f"{source}: no such image or folder")
    if target.is_dir():
        return [(source, target / f"{source.stem}.png")]
    if target.suffix.lower() != ".png":
        raise UsageError(f"{target}: upscaled images are written as .png")
    return [(source, target)]
