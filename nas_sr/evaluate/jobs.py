"""Which image file becomes which larger one: decided, and checked, before any work."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nas_sr.data.images import IMAGE_SUFFIXES, is_image
from nas_sr.data.unused_files import passed_over
from nas_sr.data.user_images import FORMATS
from nas_sr.errors import UsageError
from nas_sr.files import writable_folder

OUTPUT_FORMATS = ("png", "jpg", "webp", "same")

Existing = Literal["refuse", "skip", "overwrite"]


class UpscaleJob(NamedTuple):
    """An image and the file that it becomes."""

    source: Path
    target: Path


def plan_jobs(
    sources: Sequence[str], target: str, output_format: str = "png", existing: Existing = "refuse"
) -> list[UpscaleJob]:
    """Which file each image becomes; nothing is written.

    Args:
        sources: images, folders of images, and patterns with `*`, `?`, `[...]` (`**` for any depth of folders).
        target: a file, by its suffix, for one image; otherwise a folder.
        output_format: of the files in a folder: one of `OUTPUT_FORMATS`; `same` is each image's own, PNG for those
            that are only read (BMP, TIFF).
        existing: for files that are there already, `refuse` the call, `skip` their images, or `overwrite` them.

    Raises:
        UsageError: no image there, an unknown format, two images for one file, a file that exists, or no place to
            write to.
    """
    if output_format not in OUTPUT_FORMATS:
        raise UsageError(f"unknown output format '{output_format}'; known: {', '.join(OUTPUT_FORMATS)}")
    images = _images(sources)
    place = Path(target)
    if _is_folder(target):
        jobs = [UpscaleJob(image, place / f"{image.stem}{_suffix(image, output_format)}") for image in images]
    elif len(images) > 1 or not Path(sources[0]).is_file():
        raise UsageError(
            f"{target}: several images, a folder or a pattern need a folder to write to; its name ends with /"
        )
    elif place.suffix.lower() not in FORMATS:
        known = ", ".join(suffix[1:] for suffix in FORMATS)
        raise UsageError(f"{target}: unknown output format '{place.suffix[1:]}'; known: {known}; a folder ends with /")
    else:
        jobs = [UpscaleJob(images[0], place)]
    _check_distinct(jobs)
    kept = {job.target for job in jobs if job.target.exists()}
    if kept and existing == "refuse":
        raise UsageError(
            f"{min(kept)}{_others(len(kept))} would be overwritten;"
            " say --overwrite to allow that, or --skip-existing to leave those images out"
        )
    for folder in dict.fromkeys(job.target.parent for job in jobs):
        writable_folder(folder)
    return [job for job in jobs if job.target not in kept] if existing == "skip" else jobs


def not_read(sources: Sequence[str]) -> list[str]:
    """A line for each folder among the sources that holds other things than images that are read."""
    folders = dict.fromkeys(Path(source) for source in sources if Path(source).is_dir())
    return [line for folder in folders for line in passed_over(folder, [*filter(is_image, folder.iterdir())])]


def _images(sources: Sequence[str]) -> list[Path]:
    paths: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = sorted(image for image in path.iterdir() if is_image(image))
            if not inside:
                raise UsageError(f"{source}: no images; read are {_read()}")
            paths += inside
        elif path.exists():
            paths.append(path)
        elif glob.has_magic(source):
            matching = sorted(Path(match) for match in glob.glob(source, recursive=True))
            images = [match for match in matching if match.is_file() and is_image(match)]
            if not images:
                raise UsageError(f"{source}: no image matches; read are {_read()}")
            paths += images
        else:
            raise UsageError(f"{source}: no such image or folder")
    return list(dict.fromkeys(paths))


def _is_folder(target: str) -> bool:
    """Whether a folder is meant: it is one, ends like one, or has no suffix."""
    separators = tuple(filter(None, (os.sep, os.altsep)))
    return Path(target).is_dir() or target.endswith(separators) or not Path(target).suffix


def _suffix(image: Path, output_format: str) -> str:
    if output_format != "same":
        return f".{output_format}"
    return image.suffix if image.suffix.lower() in FORMATS else ".png"


def _check_distinct(jobs: Iterable[UpscaleJob]) -> None:
    sources: dict[Path, Path] = {}
    for job in jobs:
        if job.target in sources:
            raise UsageError(f"{sources[job.target]} and {job.source} would both become {job.target}")
        sources[job.target] = job.source
    originals = {source.resolve() for source in sources.values()}
    for target in sources:
        if target.resolve() in originals:
            raise UsageError(f"{target} would replace an image that is read; write to another folder or name")


def _read() -> str:
    return ", ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)


def _others(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""
