"""What this program says on standard output, marked: a login shell's own words must not be taken for it."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

MARK = "nas-sr-target "
_lock = threading.Lock()


def send(**value: Any) -> None:
    """Says one object on a line of its own: others may have left theirs open. Lines of several threads do not mix."""
    with _lock:
        sys.stdout.write("\n" + MARK + json.dumps(value) + "\n")
        sys.stdout.flush()


def send_stage(text: str) -> None:
    """Where the program is: shown to whoever waits, and the reason given when it must be killed there."""
    send(stage=text)


def parse_message(line: str) -> dict[str, Any] | None:
    """The object in a line; None for anything else, a line cut short included."""
    if not line.startswith(MARK) or not line.endswith("\n"):
        return None
    try:
        value = json.loads(line[len(MARK) :])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
