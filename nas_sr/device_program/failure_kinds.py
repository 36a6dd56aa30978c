"""Why a measurement gave no figure, in the three kinds that call for different answers."""

from __future__ import annotations

import errno


class Failure(Exception):
    """No figure.

    candidate: this network cannot be measured here; another one can. transient: the same job may work when repeated.
    device: nothing can be measured until somebody repairs the device or its software.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = " ".join(text.split())


def failure_of(error: Exception, doing: str) -> Failure:
    """What an exception means to whoever asked; `doing` is what the program was at."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.EAGAIN)):
        return Failure("transient", "out of memory ({})".format(doing))
    if isinstance(error, OSError):
        remedy = "; make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return Failure("device", "{}: {}{}".format(error.filename or doing, error.strerror, remedy))
    return Failure("transient", "unexpected {!r} ({})".format(error, doing))  # what nobody foresaw may pass
