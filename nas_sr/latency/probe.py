"""What is really on a target, and where that is not what its profile says."""

from __future__ import annotations
