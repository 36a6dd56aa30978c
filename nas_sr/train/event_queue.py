"""Events on their way from the processes that train to the one that started them: plain Python, an actor under Ray."""

from __future__ import annotations

from typing import Any


class EventQueue:
    """Events wait here until they are taken; whether to stop waits for those who put them."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._unacknowledged = 0
        self._stop = False

    def put(self, events: list[Any]) -> bool:
        """Takes events in; returns whether a stop is requested."""
        self._events += events
        self._unacknowledged += len(events)
        return self._stop

    def take(self) -> list[Any]:
        """The events since the last time."""
        events, self._events = self._events, []
        return events

    def acknowledge(self, events: int, stop: bool) -> None:
        """So many events were dealt with; `stop`: whether those who put them are to stop."""
        self._unacknowledged -= events
        self._stop = stop

    def all_acknowledged(self) -> bool:
        """Whether nothing that was put in is still to be dealt with."""
        return not self._unacknowledged
