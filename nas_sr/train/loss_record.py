"""What a training remembers of its losses, so that a resumed one reports and judges them as an unbroken one would."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = 10
_SMOOTHING = 0.1
_IMPOSSIBLE = 2.0  # pixels are in [0, 1], so that even the negative of a picture has a loss of 1 at most


@dataclass
class LossRecord:
    """Losses of one phase. A single batch may be twenty times harder than another, so means are compared."""

    first: float = 0.0  # mean of the first ten
    recent: float = 0.0  # smoothed over about ten
    steps: int = 0
    sum: float = 0.0  # since the last mean was taken
    summed: int = 0

    def add(self, loss: float) -> None:
        """Takes the loss of one step."""
        self.steps += 1
        if self.steps <= _FIRST:
            self.first += (loss - self.first) / self.steps
        self.recent += (loss - self.recent) * (1.0 if self.steps == 1 else _SMOOTHING)
        self.sum += loss
        self.summed += 1

    @property
    def exploded(self) -> bool:
        """Whether the losses grew tenfold since the first ten, or did so within these."""
        return self.steps > _FIRST and (self.recent > 10 * self.first or self.recent > _IMPOSSIBLE)

    def take_mean(self) -> float:
        """The mean loss since it was last asked for."""
        mean = self.sum / self.summed
        self.sum, self.summed = 0.0, 0
        return mean
