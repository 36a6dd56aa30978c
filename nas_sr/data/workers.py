"""Spreads work on images over all cores: results come in order, and only a few images wait in memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import TypeVar

import cv2

from nas_sr.device_program.cores import usable_cpus
from nas_sr.errors import WorkError

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2  # tasks handed out for each worker, so that none of them idles while an earlier result is written
_WORTH_A_PROCESS = 8  # tasks; starting a process takes as long as packing a few images


def in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], count: int, workers: int | None = None
) -> Generator[Result, None, None]:
    """`function` of every task, in the order of the tasks.

    Args:
        function: importable by a fresh process; tasks and results are pickled between processes.
        tasks: taken one by one, not more than a few for each worker ahead of the results.
        count: about how many tasks there are.
        workers: processes; all cores for None, and none besides this one where that is quicker.

    Raises:
        WorkError: a worker was killed.
    """
    processes = workers or min(usable_cpus(), count // _WORTH_A_PROCESS)
    if processes <= 1:
        yield from map(function, tasks)
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            with _interrupts_held_back():  # a new worker starts so, and Ctrl-C never reaches it
                waiting.append(pool.submit(function, task))
            if len(waiting) > _AHEAD * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise WorkError(
            f"one of {processes} processes that read images was killed (out of memory?);"
            " run again with fewer --workers: what is done is kept"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """An interrupt comes at the end instead. The mask is inherited, so that a worker has it before its first import."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """A worker uses one core, and does not outlive its parent."""
    cv2.setNumThreads(1)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
