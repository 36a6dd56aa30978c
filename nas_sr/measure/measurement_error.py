"""A measurement that gave no figure, and whose fault that was."""

from __future__ import annotations

from typing import Literal

from nas_sr.errors import WorkError

FailureKind = Literal["candidate", "transient", "device"]


class MeasurementFailed(WorkError):
    """No figure.

    `kind` is candidate (this network cannot be measured there; another one can), transient (retried in vain; it may
    work later) or device (nothing can be measured until somebody repairs the device or its software).
    """

    def __init__(self, kind: FailureKind, text: str) -> None:
        super().__init__(f"no latency ({kind}): {text}")
        self.kind = kind
        self.text = text
