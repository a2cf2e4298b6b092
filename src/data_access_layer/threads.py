"""Compute items in other threads; order and errors are the same as without threads."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast


def prefetch[T](items: Iterable[T], depth: int = 2) -> Generator[T]:
    """Yield `items`, while a thread fetches up to `depth` of them ahead.

    An error of the thread is raised at its place in the order. If you stop early, call `close`,
    which waits for the thread: the garbage collector might run in the thread itself.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(entry: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def fetch() -> None:
        try:
            for item in items:
                put((item, None))
                if stopped.is_set():
                    return
            put((None, StopIteration()))
        except BaseException as error:  # the consumer raises it
            put((None, error))
        finally:
            if isinstance(items, Generator):
                items.close()

    thread = threading.Thread(target=fetch, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield cast("T", item)
    finally:
        stopped.set()
        thread.join()


def map_in_threads[T, R](function: Callable[[T], R], items: Iterable[T], jobs: int) -> Generator[R]:
    """Yield `function` of each item, in order, computed by `jobs` threads.

    An error of `function` is raised at its place in the order. At most `jobs` items are computed
    ahead, so that memory does not grow if the consumer is slow. `Executor.map` would submit all of
    them (`buffersize` comes with Python 3.14), and so would joblib.
    """
    if jobs == 1:
        yield from map(function, items)
        return
    begun: deque[Future[R]] = deque()
    with ThreadPoolExecutor(jobs, thread_name_prefix="mapped") as pool:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) == jobs:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
