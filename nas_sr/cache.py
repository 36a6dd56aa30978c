"""Where nas-sr keeps what several studies share: packed images, measured latencies, device locks."""

from __future__ import annotations

import os
from pathlib import Path

from nas_sr.errors import UsageError


def cache_folder(*parts: str) -> Path:
    """A folder under `$NAS_SR_CACHE`, else `$XDG_CACHE_HOME/nas-sr`, else `~/.cache/nas-sr`; made if missing."""
    chosen = os.environ.get("NAS_SR_CACHE")
    root = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nas-sr"
    folder = root.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cache folder {folder} cannot be made ({error.strerror}); set NAS_SR_CACHE") from None
    return folder
