"""What long work calls while it goes on."""

from __future__ import annotations

from collections.abc import Callable

CountProgress = Callable[[int, int], None]  # pieces done, pieces in all
Tell = Callable[[str], None]  # one line of text for the user
