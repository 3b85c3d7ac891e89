"""Work on several things at once, with the answers in order and little of it in memory."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TypeVar

THREADS = min(4, os.cpu_count() or 1)


Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_order(
    function: Callable[[Item], Answer],
    items: Iterable[Item],
    threads: int = THREADS,
    *,
    begin: Callable[[], None] | None = None,
) -> Iterator[Answer]:
    """The answer to each item, computed in threads, no more than `threads` items ahead.

    `Executor.map` would take all items at once; these may be photographs. Items are made in the caller's thread.

    Args:
        function: called in the threads.
        items: taken one by one.
        threads: how many.
        begin: called once in each of them, before anything else.

    Example:
        >>> list(in_order(abs, [-1, 2, -3], threads=2))
        [1, 2, 3]
    """
    waiting: deque[Future[Answer]] = deque()
    pool = ThreadPoolExecutor(threads, initializer=begin)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def worker_processes(count: int, begin: Callable[[], object] | None = None) -> Iterator[ProcessPoolExecutor]:
    """Processes to work in, that end with this one however it ends.

    What waits for them is dropped when something stops the block.

    Args:
        count: how many.
        begin: called once in each of them, before anything else; a function that other processes can be given.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, spawn, initializer=_begin_worker, initargs=(begin,)) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _begin_worker(begin: Callable[[], object] | None) -> None:
    end_with_parent()
    if begin is not None:
        begin()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread within the block: one worker per core, and sums that are the same everywhere."""
    import torch  # noqa: PLC0415 - slow to import, and not every worker needs it

    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def share_cores(workers: int) -> None:
    """Let torch use this worker's share of the cores: what each of several `worker_processes` begins with."""
    import torch  # noqa: PLC0415 - as above

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


def termination_requests() -> list[signal.Signals]:
    """The signals, beside that of Ctrl-C, that ask this process to end: SIGTERM, and SIGHUP unless `nohup` is on."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    return [signal.SIGTERM, *([hangup] if hangup and signal.getsignal(hangup) is not signal.SIG_IGN else [])]


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, even where that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)  # the main thread may be deep in a sum, and what it writes is whole or not there
