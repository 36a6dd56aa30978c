"""The two ways a command can end badly, and the text of "no such name"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The call, a file or a config was wrong: one line saying what, where and what is allowed. Exit status 2."""


class WorkError(Exception):
    """The call was right and the work failed. Exit status 1."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """An error that lists every valid name, the nearest to `name` first."""
    ordered = sorted(known)
    nearest = difflib.get_close_matches(name, ordered, n=len(ordered) or 1, cutoff=0.4)
    rest = [other for other in ordered if other not in nearest]
    return UsageError(f"unknown {kind} '{printable(name)}'; known: {', '.join([*nearest, *rest]) or 'none'}")


def printable(text: str) -> str:
    """A text from a file or a call as a terminal may show it: other characters are written out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
