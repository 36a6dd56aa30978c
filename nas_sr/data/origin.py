"""What a pack was made of, kept beside it, so that nothing overwrites a pack of other images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nas_sr.errors import UsageError

ORIGIN = "origin.json"
_IN_WORDS = {"scale": "scale", "min_lr": "shortest side in LR pixels", "at_most": "number of images"}
_REMEDY = "delete it, or choose another place"


def origin(
    stamps: Sequence[str], scale: int, min_lr: int, at_most: int | None, excluded: Iterable[str]
) -> dict[str, Any]:
    """Everything that decides a pack's content; `stamps` are of the images that were looked at, in order."""
    return {
        "scale": scale,
        "min_lr": min_lr,
        "at_most": at_most,
        "kept_out": sorted(excluded),
        "images": list(stamps),
    }


def refuse_another(folder: Path, wanted: dict[str, Any]) -> None:
    """Checks that the pack in `folder` was made of what is wanted now.

    Raises:
        UsageError: it was made of something else, and the first difference.
    """
    try:
        found = json.loads((folder / ORIGIN).read_text())
        before, now = found["images"], wanted["images"]
        if wanted["at_most"]:  # images behind those that it needed were never looked at
            now = now[: len(before)]
        other = [key for key in wanted if key != "images" and found[key] != wanted[key]]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder}: a pack that does not say what it was made of: {_REMEDY}") from None
    if other and other[0] in _IN_WORDS:
        difference = f"its {_IN_WORDS[other[0]]} is {found[other[0]]}, not {wanted[other[0]]}"
    elif other:
        difference = "other validation images are kept out of it"
    elif before != now:
        difference = _different_image(before, now)
    else:
        return
    raise UsageError(f"{folder}: another pack is there ({difference}): {_REMEDY}")


def _different_image(before: list[str], now: list[str]) -> str:
    if len(before) != len(now):
        return f"of {len(before)} images, not {len(now)}"
    was, wanted = next((json.loads(a)[0], json.loads(b)[0]) for a, b in zip(before, now, strict=True) if a != b)
    return f"{was} has changed since" if was == wanted else f"with {was} instead of {wanted}"
