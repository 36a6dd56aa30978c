"""Processes that share work: whom Ctrl-C reaches."""

import signal

from nas_sr.data.workers import in_order


def _leaves_interrupts_alone(task: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_interrupts_reach_the_parent_alone() -> None:
    assert all(in_order(_leaves_interrupts_alone, range(6), 6, workers=2))
    assert not _leaves_interrupts_alone(0)
