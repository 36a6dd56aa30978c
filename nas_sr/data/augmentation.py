"""The eight symmetries of a square, by which crops are turned."""

from __future__ import annotations

import numpy as np


def turned(image: np.ndarray, turn: int) -> np.ndarray:
    """Symmetry `turn` of (h, w, ...): bit 2 mirrors, the others count quarter turns."""
    return np.rot90(image[:, ::-1] if turn & 4 else image, turn & 3)


def turned_places(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the pixel that each place of a turned square takes; int64 (8, side, side) each."""
    rows, columns = np.mgrid[:side, :side]
    return tuple(np.stack([turned(places, turn) for turn in range(8)]) for places in (rows, columns))  # type: ignore[return-value]
