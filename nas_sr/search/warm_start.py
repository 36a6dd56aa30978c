"""Networks that another study found good, such as one on another target: a search proposes them first."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nas_sr.errors import UsageError
from nas_sr.objectives import maximised, point
from nas_sr.pareto import pareto_front
from nas_sr.records import StudyRecord
from nas_sr.search.store import StudyStore
from nas_sr.space import Params, SearchSpace

MOST = 20  # networks, unless more are on the other study's front


class WarmStart(NamedTuple):
    """What is taken over from another study: parameters alone; every network is measured and trained as any other."""

    networks: list[Params]  # the front's first
    of_front: int  # how many of them are on the other study's front
    outside: int  # trained networks of the other study that this one's space does not hold

    def __str__(self) -> str:
        outside = f"; {self.outside} of its networks lie outside this search space" if self.outside else ""
        return f"proposed first: {len(self.networks)} networks, {self.of_front} of them of its front{outside}"


def warm_start(study: str, space: SearchSpace) -> WarmStart:
    """The front of a study, and then its next best up to `MOST`, as far as they lie in this space.

    Of a study on several targets, these are the best on any of them.

    Args:
        study: its folder; it may be searched meanwhile.
        space: that of the new study.

    Raises:
        UsageError: no study there, or none of its trained networks lies in this space.
    """
    records = StudyStore.read(Path(study)).records()
    layers = [_layers(record) for record in records]
    front = {digest for of_target in layers if of_target for digest in of_target[0]}
    ordered = dict.fromkeys(
        digest
        for depth in range(max(map(len, layers)))
        for of_target in layers
        for digest in (of_target[depth] if depth < len(of_target) else ())
    )
    inside = [digest for digest in ordered if digest in space.architectures]
    if not inside:
        raise UsageError(
            f"warm start from {study}: none of its {len(ordered)} trained networks lies in this search space"
        )
    of_front = sum(digest in front for digest in inside)
    taken = [digest for place, digest in enumerate(inside) if digest in front or place < MOST]
    return WarmStart([space.architectures[digest] for digest in taken], of_front, len(ordered) - len(inside))


def _layers(record: StudyRecord) -> list[list[str]]:
    """Digests of the trained networks: those of the front, those of the front without these, and so on."""
    left = [trial for trial in record.trials if trial.state == "complete" and trial.repeats is None]
    layers = []
    while left:
        found = pareto_front([point(trial, record.traded) for trial in left], maximised(record.traded))
        if not found:
            break  # a value is missing
        layers.append([left[place].spec.digest for place in found])
        left = [trial for place, trial in enumerate(left) if place not in set(found)]
    return layers
