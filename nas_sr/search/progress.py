"""Shows a running search: a live view on a terminal, plain lines elsewhere. Everything goes to standard error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nas_sr.families.base import Spec
from nas_sr.families.presets import preset_name
from nas_sr.latency_wording import on_targets
from nas_sr.objectives import DEFAULT, Column, columns, maximised
from nas_sr.pareto import pareto_front
from nas_sr.records import Score
from nas_sr.search.outcome import Outcome, Reached

_FRONT_ROWS = 8


class SearchProgress:
    """What a person sees of a search. Used as a context manager around it."""

    def __init__(
        self,
        console: Console,
        budget: int,
        known: dict[int, tuple[Spec, Outcome]],
        told: Sequence[Column] = columns(DEFAULT, 1),
        trainings: int = 0,
    ) -> None:
        """
        Args:
            console: where it is shown.
            budget: candidates to evaluate in all.
            known: those that earlier searches of this study evaluated.
            told: what an outcome's values are; the front that is shown is that of the first target.
            trainings: further ones of earlier candidates that are to be done; 0 where that is open.
        """
        self._of_first = [(place, each.objective) for place, each in enumerate(told) if each.target == 0]
        self._console, self._budget = console, budget
        self._specs = {number: spec for number, (spec, _) in known.items()}
        self._outcomes = {number: outcome for number, (_, outcome) in known.items()}
        self._running: dict[int, Reached | None] = {}
        self._before = len(known)
        self._trainings, self._trained = trainings, 0
        self._start = time.monotonic()
        self._live = Live(console=console, get_renderable=self._view, refresh_per_second=2, transient=True)

    def __enter__(self) -> SearchProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def began(self, number: int, spec: Spec) -> None:
        """A candidate was handed to a worker."""
        self._specs[number] = spec
        self._running[number] = None

    def reached(self, number: int, event: Reached) -> None:
        """A candidate has come this far."""
        self._running[number] = event

    def ended(self, number: int, outcome: Outcome) -> None:
        """A candidate has its outcome."""
        self._running.pop(number, None)
        self._outcomes[number] = outcome
        name = self._name(number)
        if outcome.state == "complete":
            text = f"{outcome.psnr_db:.3f} dB  {on_targets(outcome.latencies_ms)}  {outcome.reason}".rstrip()
        else:
            text = f"{outcome.state}: {outcome.reason}"
        self._console.print(
            Text(f"[{len(self._outcomes)}/{self._budget}] trial {number}  {name}  {text}  {self._left()}"),
            soft_wrap=True,
        )

    def trained(self, number: int, score: Score) -> None:
        """A candidate has been trained longer, or from a further seed."""
        self._running.pop(number, None)
        self._trained += 1
        result = score.reason if score.psnr_db is None else f"{score.psnr_db:.3f} dB"
        note = f"  ({score.note})" if score.note else ""
        place = f"[{self._trained}/{self._trainings}] " if self._trainings else ""
        left = self._time_left(self._trained, self._trainings)
        what = f"{score.steps} steps, seed {score.seed}: {result}{note}"
        text = f"{place}trial {number}  {self._name(number)}  {what}  {left}".rstrip()
        self._console.print(Text(text), soft_wrap=True)

    def tries_again(self, number: int, why: str) -> None:
        """A candidate that is begun anew."""
        self._running[number] = None
        self._console.print(Text(f"trial {number}  {self._name(number)}  tried once more: {why}"), soft_wrap=True)

    def gave_back(self, number: int, why: str) -> None:
        """A candidate that nothing can be said of now."""
        self._running.pop(number, None)
        self._console.print(Text(f"trial {number}  {self._name(number)}  given back: {why}"), soft_wrap=True)

    def _name(self, number: int) -> str:
        spec = self._specs[number]
        return preset_name(spec) or spec.label()

    def _left(self) -> str:
        return self._time_left(len(self._outcomes) - self._before, self._budget - self._before)

    def _time_left(self, done: int, of: int) -> str:
        if not done or of <= done:
            return ""
        return f"({_duration((time.monotonic() - self._start) / done * (of - done))} left)"

    def _view(self) -> Group:
        elapsed = time.monotonic() - self._start
        done = len(self._outcomes) - self._before
        counts: dict[str, int] = {}
        for outcome in self._outcomes.values():
            counts[outcome.state] = counts.get(outcome.state, 0) + 1
        head = Text.assemble(
            (f"{len(self._outcomes)}/{self._budget} candidates", "bold"),
            f"  {', '.join(f'{count} {state}' for state, count in counts.items())}",
            f"  {_duration(elapsed)} elapsed",
            f"  {done / elapsed * 60:.1f} a minute  {self._left()}" if done else "",
            f"  {self._trained}/{self._trainings} trainings  {self._time_left(self._trained, self._trainings)}"
            if self._trainings
            else "",
        )
        return Group(head, self._running_table(), self._front_table())

    def _running_table(self) -> Table:
        table = Table("running", "network", "stage", "PSNR", "latency", box=None, pad_edge=False)
        for number, event in list(self._running.items()):
            stage: str = "starting" if event is None else event.stage
            if event is not None and event.steps:
                stage = f"step {event.step}/{event.steps}"
            psnr = f"{event.psnr_db:.3f} dB" if event and event.psnr_db is not None else ""
            latency = on_targets(event.latencies_ms) if event else ""
            table.add_row(str(number), self._name(number), stage, psnr, latency)
        return table

    def _front_table(self) -> Table:
        objectives = [objective for _, objective in self._of_first]
        table = Table("front", "network", *(each.title for each in objectives), box=None, pad_edge=False)
        complete = [(number, outcome.told) for number, outcome in self._outcomes.items() if outcome.state == "complete"]
        points = [[values[place] for place, _ in self._of_first] for _, values in complete]
        front = pareto_front(points, maximised(objectives))
        for index in front[:_FRONT_ROWS]:
            number = complete[index][0]
            figures = [each.text(value) for each, value in zip(objectives, points[index], strict=True)]
            table.add_row(str(number), self._name(number), *figures)
        if len(front) > _FRONT_ROWS:
            table.add_row("", f"and {len(front) - _FRONT_ROWS} more")
        return table


def _duration(seconds: float) -> str:
    """1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
