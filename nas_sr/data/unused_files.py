"""What lies in the folders of an image set and is not used: counted and named, so that nobody trains on half a set."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from nas_sr.data.images import is_image

_MOST_NAMED = 5


def passed_over(folder: Path, used: Collection[Path]) -> list[str]:
    """A line with everything visible in a folder that is not among `used`, if there is anything."""
    left = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path not in used)
    folders = [path for path in left if path.is_dir()]
    images = [path for path in left if path not in folders and is_image(path)]
    others = [path for path in left if path not in folders and path not in images]
    kinds = [
        (images, "image", "images"),
        (others, "file that is not read", "files that are not read"),
        (folders, "folder", "folders"),
    ]
    counts = [_counted(paths, one if len(paths) == 1 else several) for paths, one, several in kinds if paths]
    return [f"{folder}: passed over: {'; '.join(counts)}"] if counts else []


def _counted(paths: list[Path], what: str) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"{len(paths)} {what} ({', '.join(_name(path) for path in paths[:_MOST_NAMED])}{more})"


def _name(path: Path) -> str:
    return path.name.encode("utf-8", "replace").decode().replace("\n", "?")


def between(top: Path, below: Iterable[Path]) -> set[Path]:
    """The folders from `top` down to each of `below` that lies in it, with both ends."""
    paths: set[Path] = set()
    for path in below:
        if path.is_relative_to(top):
            paths |= {path, *(parent for parent in path.parents if parent.is_relative_to(top))}
    return paths
