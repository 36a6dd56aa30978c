"""What is shown on standard error while work goes on: lines, a count with the time left, how fast it goes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN_LINE_EVERY_S = 10
_PACE_OVER_S = 30


def error_console(quiet: bool = False) -> Console:
    """A rich console on standard error; a quiet one shows nothing."""
    from rich.console import Console

    # What is told holds words of compilers and paths: brackets in them are no markup, and colons no emoji.
    return Console(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)


@contextmanager
def counted(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Shows `what` with count, rate and time left: a bar on a terminal, a line every ten seconds elsewhere.

    Gives the function to report (done, total).
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    console = error_console(quiet)
    pace, shown_at = Pace(), time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None, pace="")

        def report(done: int, total: int) -> None:
            nonlocal shown_at
            words = pace.words(done, total)
            bar.update(task, completed=done, total=total, pace=words)
            if not console.is_terminal and time.monotonic() - shown_at > _PLAIN_LINE_EVERY_S:
                shown_at = time.monotonic()
                console.print(f"{what}: {done} of {total}  {words}", soft_wrap=True)

        yield report


class Pace:
    """Rate and time left, from the last half minute: the start of a continued job is quicker than what follows."""

    def __init__(self, done: int = 0) -> None:
        self._seen = deque([(time.monotonic(), done)])

    def words(self, done: int, total: int) -> str:
        """For people; empty while it is not known."""
        now = time.monotonic()
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] > _PACE_OVER_S:
            self._seen.popleft()
        then, before = self._seen[0]
        if done <= before or now <= then:
            return ""
        rate = (done - before) / (now - then)
        return f"{rate:.1f}/s  {timedelta(seconds=round((total - done) / rate))} left"
