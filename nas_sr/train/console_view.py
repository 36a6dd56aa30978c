"""What a user sees of a training on a console."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from nas_sr.console import Pace
from nas_sr.records import CurvePoint
from nas_sr.train.events import Began, Message, Scored, Stepped, TrainingEvent, Validated

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_LINE_EVERY_S = 60


class ConsoleView:
    """A bar with the time left on a terminal, a line every minute elsewhere, and one at every validation everywhere."""

    def __init__(self, console: Console, steps: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._console = console
        self._steps = steps
        self._bar = Progress(
            *columns,
            TextColumn("{task.fields[best]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, best="")
        self._pace, self._told_at = Pace(), time.monotonic()
        self._headed = False

    def __enter__(self) -> ConsoleView:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_event(self, event: TrainingEvent) -> None:
        """Shows what happens in a training."""
        if isinstance(event, Began):
            self._began(event)
        elif isinstance(event, Stepped):
            self._stepped(event)
        elif isinstance(event, Validated):
            self._validated(event.point, event.best_psnr_db)
        elif isinstance(event, Scored):
            self._scored(event)
        elif isinstance(event, Message):
            self._print(event.text)

    def _began(self, event: Began) -> None:
        self._pace = Pace(event.position)
        if event.position:
            self._bar.reset(self._task, completed=event.position)  # or the time left would count steps done before
            self._print(
                f"resumed after step {event.position} of {self._steps}, best so far {event.best_psnr_db:.3f} dB"
            )

    def _stepped(self, event: Stepped) -> None:
        best = f"best {event.best_psnr_db:.3f} dB"
        self._bar.update(self._task, completed=event.position, best=best)
        pace = self._pace.words(event.position, self._steps)
        if not self._console.is_terminal and time.monotonic() - self._told_at > _PLAIN_LINE_EVERY_S:
            self._told_at = time.monotonic()
            self._print(f"step {event.position}/{self._steps}  {best}  {pace}")

    def _scored(self, event: Scored) -> None:
        """A row of a table whose columns are networks; the first one is headed by their names."""
        columns = [max(len(name), 7) for name in event.psnr_db]
        if not self._headed:
            self._headed = True
            self._print("PSNR [dB] of " + "  ".join(f"{n:>{w}}" for n, w in zip(event.psnr_db, columns, strict=True)))
        values = zip(event.psnr_db.values(), columns, strict=True)
        self._print(f"{event.position:>12} " + "  ".join(f"{psnr_db:>{width}.3f}" for psnr_db, width in values))

    def _validated(self, point: CurvePoint, best_psnr_db: float) -> None:
        loss = "" if math.isnan(point.loss) else f"loss {point.loss:.5f}  "
        self._console.print(
            f"step {point.step}/{self._steps}  {loss}PSNR {point.psnr_db:.3f} dB  best {best_psnr_db:.3f} dB"
        )

    def _print(self, text: str) -> None:
        self._console.print(text, style="dim", soft_wrap=True)
