"""What a training remembers of its losses, so that a resumed one reports and judges them as an unbroken one would."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = 10
_SMOOTHING = 0.1
_GROWTH = 10
_IMPOSSIBLE = 2.0  # pixels are in [0, 1], so that even the negative of a picture has a loss of 1 at most
_IN_A_ROW = 20


@dataclass
class LossRecord:
    """Losses of one phase.

    A batch may be a thousand times harder than another: in a night sky most crops are black. No mean over a few batches
    says anything then, and the first ones may all have been black. So a training counts as exploded only once every
    one of twenty batches in a row is ten times worse than the worst of the first ten, and wrong by a tenth of the range
    of pixels: batches of one kind do not do that by chance, however they are distributed.
    """

    hopeless: float = 0.01  # the loss of pixels that are wrong by 0.1
    first: float = 0.0  # mean of the first ten
    worst_first: float = 0.0  # largest of the first ten
    recent: float = 0.0  # smoothed over about ten
    steps: int = 0
    in_a_row: int = 0  # the last losses that were too large
    sum: float = 0.0  # since the last mean was taken
    summed: int = 0

    def add(self, loss: float) -> None:
        """Takes the loss of one step."""
        self.in_a_row = self.in_a_row + 1 if loss > self._too_large else 0
        self.steps += 1
        if self.steps <= _FIRST:
            self.first += (loss - self.first) / self.steps
            self.worst_first = max(self.worst_first, loss)
        self.recent += (loss - self.recent) * (1.0 if self.steps == 1 else _SMOOTHING)
        self.sum += loss
        self.summed += 1

    @property
    def _too_large(self) -> float:
        """Of the first ones, only what no picture can be."""
        if self.steps < _FIRST:
            return _IMPOSSIBLE
        return min(_IMPOSSIBLE, max(_GROWTH * self.worst_first, self.hopeless))

    @property
    def exploded(self) -> bool:
        """Whether it is no use to go on."""
        return self.in_a_row >= _IN_A_ROW

    def take_mean(self) -> float:
        """The mean loss since it was last asked for."""
        mean = self.sum / self.summed
        self.sum, self.summed = 0.0, 0
        return mean
