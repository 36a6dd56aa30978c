"""Why a measurement gave no figure, in the three kinds that call for different answers."""

from __future__ import annotations


class Failure(Exception):
    """No figure.

    candidate: this network cannot be measured here; another one can. passing: the same job may work when repeated.
    device: nothing can be measured until somebody repairs the device or its software.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = " ".join(text.split())
