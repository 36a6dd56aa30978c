"""What several processes tell the one that started them, and its answers: plain Python, made a small actor by Ray."""

from __future__ import annotations

from typing import Any

Words = list[tuple[str, tuple[Any, ...]]]  # what is said, and its arguments


class Mailbox:
    """Words wait here until they are taken; whether to stop waits for those who say them."""

    def __init__(self) -> None:
        self._words: Words = []
        self._unanswered = 0
        self._stop = False

    def say(self, words: Words) -> bool:
        """Takes words; returns whether a stop is asked for."""
        self._words += words
        self._unanswered += len(words)
        return self._stop

    def taken(self) -> Words:
        """The words since the last time."""
        words, self._words = self._words, []
        return words

    def answer(self, words: int, stop: bool) -> None:
        """So many words were dealt with; `stop` is the answer."""
        self._unanswered -= words
        self._stop = stop

    def all_answered(self) -> bool:
        """Whether nothing that was said is still to be dealt with."""
        return not self._unanswered
