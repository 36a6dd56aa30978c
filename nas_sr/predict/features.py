"""Where networks lie, in octaves: how far one is from others, and from what a calibration has seen."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas_sr.families.base import Family, Spec
from nas_sr.families.registry import NAMES, family, family_of

# Of a network whose family has no calibrated point: as far as the widest known corner of a family is from its presets.
OTHER_FAMILY_OCTAVES = 4.0


class Range:
    """For each family the smallest box that holds some networks."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self._boxes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for name in dict.fromkeys(spec.family for spec in specs):
            places = np.array([_place(spec) for spec in specs if spec.family == name])
            self._boxes[name] = places.min(axis=0), places.max(axis=0)

    def outside(self, spec: Spec) -> float:
        """Octaves from a network to its family's box; 0 inside."""
        return float(np.linalg.norm(self._beyond(spec))) if spec.family in self._boxes else OTHER_FAMILY_OCTAVES

    def reasons(self, spec: Spec) -> list[str]:
        """What puts a network outside, such as `groups 1 (calibrated with 4)`."""
        if spec.family not in self._boxes:
            return [f"family {spec.family} (calibrated with {' and '.join(self._boxes)})"]
        low, high = self._boxes[spec.family]
        return [
            f"{name} {_value(spec, name, at)} (calibrated with {_interval(spec, name, least, most)})"
            for name, at, least, most, beyond in zip(
                _names(spec.family), _place(spec), low, high, self._beyond(spec), strict=True
            )
            if beyond > 0
        ]

    def _beyond(self, spec: Spec) -> NDArray[np.float64]:
        place, (low, high) = np.array(_place(spec)), self._boxes[spec.family]
        return np.maximum(np.maximum(low - place, place - high), 0.0)


def matrix(specs: Sequence[Spec]) -> NDArray[np.float64]:
    """One row of features for each network.

    Each family has columns of its own, zero in the rows of others: members of two families lie far apart.
    """
    columns = {(name, feature): index for index, (name, feature) in enumerate(_columns())}
    rows = np.zeros((len(specs), len(columns)))
    for row, spec in zip(rows, specs, strict=True):
        for feature, value in family_of(spec).features(spec).items():
            row[columns[spec.family, feature]] = value
    return rows


def _columns() -> list[tuple[str, str]]:
    return [(name, feature) for name in NAMES for feature in _names(name)]


@functools.cache
def _names(name: str) -> tuple[str, ...]:
    known: Family[Any] = family(name)
    return tuple(known.features(next(iter(known.presets.values()))))


def _place(spec: Spec) -> list[float]:
    return list(family_of(spec).features(spec).values())


def _value(spec: Spec, name: str, at: float) -> str:
    return f"{at if name in family_of(spec).counted_features else 2**at:.3g}"


def _interval(spec: Spec, name: str, low: float, high: float) -> str:
    ends = _value(spec, name, low), _value(spec, name, high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)
