"""Training and validation packs that share nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from nas_sr.data.pack import Pack
from nas_sr.data.packing import How, Packed, Source, write_pack

Role = Literal["train", "val", "held_out"]
Place = Callable[[Role, Sequence[Source], Mapping[str, str]], Path]  # sources, and digests that are kept out

SMALLEST_VALIDATION_LR = 16  # less would be mostly the border that is not scored
_HELD_OUT_EVERY = 10
_MOST_HELD_OUT = 16


def held_out_count(images: int) -> int:
    """How many of so many images are held out for validation unless a user says otherwise: one in ten, 1 to 16."""
    return min(_MOST_HELD_OUT, max(1, images // _HELD_OUT_EVERY))


def pack_validation(
    sources: Sequence[Source], scale: int, place: Place, how: How, *, next_to_it: Sequence[Source] = ()
) -> Packed:
    """A validation pack of all these images; `next_to_it` are those that will be packed on the same disk."""
    folder = place("val", sources, {})
    return write_pack(sources, scale, SMALLEST_VALIDATION_LR, folder, to_score=True, next_to_it=next_to_it, how=how)


def pack_held_out(
    sources: Sequence[Source], count: int, scale: int, place: Place, how: How
) -> tuple[Packed, list[Source]]:
    """A validation pack of `count` images, spread over all of them, and the sources that are not in it.

    Other images step in for those that cannot be used.
    """
    chosen = [(2 * index + 1) * len(sources) // (2 * count) for index in range(count)]
    order = [*chosen, *(index for index in range(len(sources)) if index not in set(chosen))]
    candidates = [sources[index] for index in order]
    folder, rest = place("held_out", candidates, {}), candidates[count:]
    smallest = SMALLEST_VALIDATION_LR
    val = write_pack(candidates, scale, smallest, folder, at_most=count, to_score=True, next_to_it=rest, how=how)
    return val, [source for source in sources if source.name not in val.pack.names]


def pack_without(val: Pack, sources: Sequence[Source], scale: int, min_lr: int, place: Place, how: How) -> Packed:
    """A training pack that holds no picture of `val`."""
    seen = {entry.digest: entry.name for entry in val.entries}
    return write_pack(sources, scale, min_lr, place("train", sources, seen), excluded=seen, how=how)
