"""Looks at every image of folders or of a pack, and names every one that is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from nas_sr.callbacks import CountProgress
from nas_sr.data.folders import find_all_pairs
from nas_sr.data.images import UnreadableImage, broken_metadata
from nas_sr.data.matching import Match
from nas_sr.data.pack import Entry, Pack, is_pack, pixel_digest, reads_back
from nas_sr.data.pairs import ImagePair
from nas_sr.data.prepare import TRAIN, VAL, prepared_pack
from nas_sr.data.workers import in_order
from nas_sr.errors import UsageError


class Remark(NamedTuple):
    """What is to be said about a file."""

    file: str
    problem: str


class Checked(NamedTuple):
    """What was looked at; `bad` must be mended, `notes` may be intended."""

    kind: Literal["images", "pack"]
    images: int
    bad: list[Remark]
    notes: list[Remark]


def check(paths: Sequence[Path], scale: int, progress: CountProgress, workers: int | None = None) -> Checked:
    """Checks image folders together, or one pack.

    Folders: every file is read, HR and LR have each other and matching sizes, LR is a downscale of its HR, no picture
    is there twice. A pack: its files are whole, every image has the pixels that its digests name, and no picture is
    both trained and validated on. `scale` is that of the folders.

    Raises:
        UsageError: neither images nor a pack, or several packs.
    """
    packs = [path for path in paths if is_pack(path) or prepared_pack(path, TRAIN)]
    if not packs:
        return _check_folders(paths, scale, progress, workers)
    if len(paths) > 1:
        raise UsageError(f"{packs[0]}: a pack is checked alone")
    return _check_pack(packs[0], progress, workers)


def _check_folders(folders: Sequence[Path], scale: int, progress: CountProgress, workers: int | None) -> Checked:
    pairs = find_all_pairs(folders, scale)
    bad = [Remark(str(path), problem) for path, problem in pairs.unpaired]
    notes = [Remark(*line.split(": ", 1)) for line in pairs.notes]
    first_with: dict[str, Path] = {}
    tasks = [(pair, scale) for pair in pairs.pairs]
    for done, ((pair, _), result) in enumerate(
        zip(tasks, in_order(_examine, tasks, len(tasks), workers), strict=True), start=1
    ):
        if isinstance(result, UnreadableImage):
            bad.append(Remark(str(result.path), result.why))
        else:
            digest, match = result
            for path in filter(None, (pair.hr, pair.lr)):
                notes += [Remark(str(path), line) for line in broken_metadata(path)]
            earlier = first_with.setdefault(digest, pair.hr)
            if earlier != pair.hr:
                bad.append(Remark(str(pair.hr), f"the same picture as {earlier}"))
            if match and not match.is_bicubic:
                problem = f"not MATLAB's bicubic downscale of {pair.hr}: {match.bicubic_db:.1f} dB against it"
                notes.append(Remark(str(pair.lr), problem))
        progress(done, len(tasks))
    return Checked("images", len(tasks), bad, notes)


def _examine(task: tuple[ImagePair, int]) -> tuple[str, Match | None] | UnreadableImage:
    pair, scale = task
    try:
        _, hr, match = pair.read_matching(scale)
    except UnreadableImage as error:
        return error
    return pixel_digest(hr), match


def _check_pack(folder: Path, progress: CountProgress, workers: int | None) -> Checked:
    bad: list[Remark] = []
    tasks: list[tuple[Path, int, Entry]] = []
    held_out: dict[str, str] = {}
    parts = [folder] if is_pack(folder) else [folder / name for name in (VAL, TRAIN) if is_pack(folder / name)]
    for part in parts:
        try:
            pack = Pack(part)
        except UsageError as error:
            bad.append(Remark(str(part), str(error)))
            continue
        tasks += [(part, pack.scale, entry) for entry in pack.entries]
        if part.name == VAL:
            held_out = {entry.digest: entry.name for entry in pack.entries}
        else:
            both = [(entry.name, held_out[entry.digest]) for entry in pack.entries if entry.digest in held_out]
            bad += [Remark(str(part), f"{name} is also the validation image {other}") for name, other in both]
    for done, ((part, _, entry), good) in enumerate(
        zip(tasks, in_order(_is_whole, tasks, len(tasks), workers), strict=True), start=1
    ):
        if not good:
            bad.append(Remark(str(part), f"the pixels of {entry.name} are not those that were packed; prepare it anew"))
        progress(done, len(tasks))
    return Checked("pack", len(tasks), bad, [])


def _is_whole(task: tuple[Path, int, Entry]) -> bool:
    return reads_back(*task)
