"""A Python binding of CUDA does all that a measurement asks of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy

from nas_sr.device_program.cuda import Cuda

TOO_MUCH = 1 << 46  # bytes: more than any GPU has


class Used(NamedTuple):
    """What came of it."""

    same: bool  # what was copied there came back
    kept_apart: bool  # two allocations do not overlap
    elapsed_ms: float  # between two events with a copy between them
    refused: str  # why too much memory was refused


def used(cuda: Cuda) -> Used:
    """Memory there and back, events, and memory that does not suffice.

    Raises:
        AssertionError: memory without end.
    """
    one, other = (numpy.arange(3 * 5 * 7, dtype=numpy.float32).reshape(3, 5, 7) + k for k in (0, 1000))
    addresses = [cuda.allocate(one.nbytes), cuda.allocate(other.nbytes)]
    start, stop = cuda.event(), cuda.event()
    cuda.record(start)
    for address, array in zip(addresses, (one, other), strict=True):
        cuda.upload(address, array)
    cuda.record(stop)
    back = [numpy.zeros_like(one), numpy.zeros_like(other)]
    for address, array in zip(addresses, back, strict=True):
        cuda.download(address, array)
    try:
        cuda.allocate(TOO_MUCH)
    except MemoryError as error:
        refused = str(error)
    else:
        raise AssertionError(f"{TOO_MUCH} bytes were given")
    return Used(
        bool((back[0] == one).all() and (back[1] == other).all()),
        abs(addresses[0] - addresses[1]) >= min(one.nbytes, 1),
        cuda.elapsed_ms(start, stop),
        refused,
    )
