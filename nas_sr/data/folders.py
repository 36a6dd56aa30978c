"""Finds the image pairs in the folders that a user names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nas_sr.data.layouts import (
    ImageSet,
    allowed,
    hr_folders,
    image_set,
    is_validation,
    lr_folders_of,
    of_another_factor,
    set_folder,
)
from nas_sr.data.pairs import ImagePair
from nas_sr.data.unused_files import between, passed_over
from nas_sr.errors import UsageError

PUBLISHED_COUNTS = {"DIV2K_train_HR": 800, "DIV2K_valid_HR": 100, "Flickr2K_HR": 2650}


class FoundPairs(NamedTuple):
    """The pairs of folders, by name."""

    pairs: list[ImagePair]
    notes: list[str]  # one line for each thing that a user should know about the folders
    unpaired: list[tuple[Path, str]]  # images without the partner that others have, and what follows

    @property
    def problems(self) -> list[str]:
        """The notes, and one line for all images of a set that lack the same partner."""
        lacking: dict[str, list[Path]] = {}
        for path, what in self.unpaired:
            lacking.setdefault(what, []).append(path)
        lines = [f"{paths[0]}{_others(len(paths))}: {what}" for what, paths in lacking.items()]
        return [*self.notes, *lines]


def find_pairs(folder: Path, scale: int, *, evaluating: bool = False) -> FoundPairs:
    """The image pairs of a folder in one of these layouts:

    - an HR folder with its LR folder beside it: `HR/` or `GTmod12/` with `LRx<scale>/`, `LR_bicubic/X<scale>/`,
      `LRbicx<scale>/` or `LR/`; DIV2K's and Flickr2K's `<set>_HR/` with `<set>_LR_bicubic/X<scale>/`, one or several
      sets in a folder (of training and validation sets, `evaluating` takes the latter, otherwise the former);
    - the HR folder of any of these;
    - one folder with both (`image_SRF_<scale>/` or any other), or with HR images and a folder of LR images inside;
    - a folder of such folders (`DF2K/DIV2K/DIV2K_train_HR`, `DF2K/Flickr2K/Flickr2K_HR`);
    - a flat folder of images, which are HR, or a folder that holds nothing but one.

    Folders and files are told by the marks in their names (`nas_sr.data.name_marks`). What is not used is in the notes.

    Raises:
        UsageError: no such folder, it cannot be read, no images in it, or names that do not tell HR from LR.
    """
    return find_all_pairs([folder], scale, evaluating=evaluating)


def find_all_pairs(folders: Sequence[Path], scale: int, *, evaluating: bool = False) -> FoundPairs:
    """The image pairs of several folders; where there are several sets, names begin with their set's.

    Raises:
        UsageError: one of them does not exist, cannot be read, or has no images.
    """
    notes: list[str] = []
    try:
        found = [each for folder in folders for each in _sets_of(folder, scale, evaluating, notes)]
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from None
    sets = list({each.folder.resolve(): each for each in found}.values())
    pairs: list[ImagePair] = []
    unpaired: list[tuple[Path, str]] = []
    for each, prefix in zip(sets, _prefixes([each.folder for each in sets], scale), strict=True):
        pairs += [ImagePair(prefix + hr.name, hr, lr) for hr, lr in each.pairs]
        published = PUBLISHED_COUNTS.get(each.folder.name, 0)
        if len(each.pairs) < published:
            notes.append(f"{each.folder}: {len(each.pairs)} images; {published} were published")
        if each.lr_folder:
            what = f"no LR image in {each.lr_folder}; it is made by bicubic downscaling"
            unpaired += [(hr, what) for hr, lr in each.pairs if lr is None]
        unpaired += [(path, f"no HR image in {each.folder}; it is not used") for path in each.lone_lr]
    return FoundPairs(pairs, notes, unpaired)


def _sets_of(folder: Path, scale: int, evaluating: bool, notes: list[str]) -> list[ImageSet]:
    """The sets of one folder that a user named."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}; expected {allowed(scale)}")
    sources = hr_folders(folder, scale)
    validation = [path for path in sources if is_validation(path, scale)]
    training = [path for path in sources if path not in validation]
    wanted = (validation or training) if evaluating else (training or validation)
    if len(wanted) < len(sources):
        left_out = ", ".join(path.name for path in sources if path not in wanted)
        notes.append(f"{folder}: {left_out} left out, so that training and validation images do not mix")
    sets = [image_set(path, scale) for path in wanted]
    left_over = _left_over(folder, sets, [path for path in sources if path not in wanted], scale)
    if not any(each.pairs for each in sets):
        there = "".join(f"; {line}" for line in left_over)
        raise UsageError(f"{folder}: no images; expected {allowed(scale)}{there}")
    notes += [f"{each.folder}: {line}" for each in sets for line in each.notes]
    notes += left_over
    return sets


def _left_over(folder: Path, sets: list[ImageSet], left_out: list[Path], scale: int) -> list[str]:
    """A line for each folder that was gone through and has something that is neither used nor known."""
    visited = between(folder, [path for each in sets for path in (each.folder, each.lr_folder) if path])
    visited |= {path for each in sets for path in (each.folder, each.lr_folder) if path}
    used = visited | between(folder, left_out) | {path for each in sets for path in each.files()}
    lines = []
    for path in sorted(visited):
        known = [inside for inside in path.iterdir() if inside.is_dir() and of_another_factor(inside, scale)]
        lines += passed_over(path, used | {*known, *(lr for hr in left_out for lr in lr_folders_of(hr, scale))})
    return lines


def _prefixes(sources: list[Path], scale: int) -> list[str]:
    """What tells images of one set from those of another: as much of its path as that takes, nothing for one set."""
    if len(sources) == 1:
        return [""]
    whole = [source.resolve() for source in sources]
    sets = [set_folder(path, scale) for path in whole]
    parts = [path.parts for path in (sets if len({*sets}) == len(sets) else whole)]
    depth = 1
    while len({path[-depth:] for path in parts}) < len(parts):
        depth += 1
    return ["/".join(path[-depth:]) + "/" for path in parts]


def _others(count: int) -> str:
    return f" and {count - 1} more" if count > 1 else ""
