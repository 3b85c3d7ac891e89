"""Work on several things at once, with the answers in order and little of it in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
