"""The checksums of a bundle, as sha256sum writes and checks them, and in what a bundle differs from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nas_sr.files import replacing

SUMS = "SHA256SUMS"


class Difference(NamedTuple):
    """A file that is not as it was written."""

    file: str
    text: str


def sha256(path: Path) -> str:
    """64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path, without: tuple[str, ...]) -> None:
    """Writes the checksums of all files in a bundle but those `without`: files to edit, folders that change."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in sorted(_files(folder, without))]
    with replacing(folder / SUMS) as temporary:
        temporary.write_text("".join(lines))


def read_sums(folder: Path) -> dict[str, str]:
    """Digest by file; lines that are none are passed over, so that their files are found to be too many."""
    lines = (folder / SUMS).read_text(errors="replace").splitlines()
    parts = (line.partition("  ") for line in lines)
    return {name: digest for digest, _, name in parts if name}


def differences(folder: Path, without: tuple[str, ...]) -> Iterator[Difference]:
    """What is missing, changed or too many."""
    known = read_sums(folder)
    there = set(_files(folder, without))
    for name, digest in known.items():
        if name not in there:
            yield Difference(name, "missing")
        elif not (folder / name).stat().st_size:
            yield Difference(name, "empty")
        elif sha256(folder / name) != digest:
            yield Difference(name, "not the file that was written: its checksum differs")
    for name in sorted(there - known.keys()):
        yield Difference(name, f"not a file of the bundle: it is not in {SUMS}")


def _files(folder: Path, without: tuple[str, ...]) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] not in (SUMS, *without) and not name.parts[0].startswith("."):
            yield name.as_posix()
