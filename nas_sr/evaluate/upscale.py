"""Turns image files into larger image files, without ever losing one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import psutil

from nas_sr.callbacks import CountProgress
from nas_sr.data.images import UnreadableImage
from nas_sr.data.user_images import CannotHold, Picture, check_fits, read_picture, write_picture
from nas_sr.evaluate.evaluate import bicubic
from nas_sr.evaluate.jobs import UpscaleJob
from nas_sr.evaluate.upscalers import CannotUpscale, Upscaler

# Memory at the end, in sizes of the result: itself, the encoder's copy, what is encoded; seen at 100 megapixels.
_HELD, _HELD_BY_WEBP = 3, 5


class Upscaled(NamedTuple):
    """The files written, and a line for each image that was not."""

    files: tuple[Path, ...]
    problems: tuple[str, ...]


def upscale_files(
    upscaler: Upscaler,
    jobs: Sequence[UpscaleJob],
    *,
    overwrite: bool = False,
    quality: int = 95,
    began: Callable[[Path], None] = lambda image: None,
    tiled: CountProgress = lambda done, total: None,
    wrote: Callable[[Path], None] = lambda file: None,
    noted: Callable[[str], None] = lambda line: None,
    failed: Callable[[str], None] = lambda line: None,
) -> Upscaled:
    """Does all jobs; one that fails is told and the rest are still done. No file is ever half-written.

    Args:
        upscaler: what enlarges.
        jobs: from `plan_jobs`.
        overwrite: whether a file that has appeared since the jobs were planned may be replaced.
        quality: 1 to 100, for JPEG and WebP.
        began: told each image before it is read.
        tiled: told (tiles done, tiles) of the current image.
        wrote: told each file when it is there.
        noted: told a line about what of a file could not be kept.
        failed: told a line about each image that failed.
    """
    files, problems = [], []
    for job in jobs:
        began(job.source)
        try:
            picture = read_picture(job.source)
            _check_room(job, picture, upscaler.scale)
            for note in picture.notes:
                noted(f"{job.source}: {note}")
            large = enlarged(picture, upscaler, tiled)
            if job.target.exists() and not overwrite:
                raise CannotHold(f"{job.target} has appeared meanwhile and is kept")
            write_picture(job.target, large, quality)
        except UnreadableImage as error:
            problems.append(str(error))
            failed(problems[-1])
        except (MemoryError, cv2.error):  # OpenCV's own is raised for little else
            problems.append(f"{job.source}: not enough memory")
            failed(problems[-1])
        except (CannotHold, CannotUpscale) as error:
            problems.append(f"{job.source}: {error}")
            failed(problems[-1])
        except (OSError, ValueError) as error:  # a full disk; metadata that the format has no room for
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problems.append(f"{job.target}: could not be written: {why}")
            failed(problems[-1])
        else:
            files.append(job.target)
            wrote(job.target)
    return Upscaled(tuple(files), tuple(problems))


def enlarged(picture: Picture, upscaler: Upscaler, tiled: CountProgress = lambda done, total: None) -> Picture:
    """A picture `scale` times as large; transparency is enlarged by bicubic interpolation.

    Raises:
        CannotUpscale: see `Upscaler`.
    """
    alpha = None if picture.alpha is None else bicubic(upscaler.scale)(picture.alpha)
    return Picture(upscaler(_without_hidden(picture), tiled), alpha, picture.metadata)


def _without_hidden(picture: Picture) -> np.ndarray:
    """The colours, where nothing is visible those of the nearest visible pixel: hidden ones would show at the edges."""
    colour = picture.colour
    hidden = np.zeros(colour.shape[:2], bool) if picture.alpha is None else picture.alpha[:, :, 0] == 0
    if hidden.all() or not hidden.any():
        return colour
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at = np.zeros(nearest.max() + 1, np.intp)
    at[nearest[~hidden]] = np.flatnonzero(~hidden)
    return colour.reshape(-1, colour.shape[2])[at[nearest]]


def _check_room(job: UpscaleJob, picture: Picture, scale: int) -> None:
    """Before the work, not after it: whether the file can hold the result, and the memory too."""
    check_fits(picture, job.target.suffix.lower(), scale)
    height, width, channels = picture.colour.shape
    samples = height * width * scale**2 * (channels + (picture.alpha is not None))
    held = _HELD_BY_WEBP if job.target.suffix.lower() == ".webp" else _HELD
    needed = samples * picture.bits // 8 * held
    available = psutil.virtual_memory().available
    if needed > available:
        raise CannotHold(
            f"{width}x{height} pixels become {width * scale}x{height * scale}, which needs {needed / 1e9:.1f} GB of"
            f" memory; {available / 1e9:.1f} GB are available"
        )
