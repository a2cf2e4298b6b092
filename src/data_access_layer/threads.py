"""Threads beside the one that asks for rows; order and errors stay as without them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import cast


def prefetch[T](items: Iterable[T], depth: int = 2) -> Generator[T]:
    """Yield `items`, of which a thread fetches up to `depth` ahead.

    An error of the thread is raised at its place in the order. Who leaves early calls `close`,
    which waits for the thread: the garbage collector might do so in the thread itself.
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
        except BaseException as error:  # handed over to the consumer, which raises it
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
    """Yield `function` of each item, in order, of which `jobs` threads compute one each.

    An error of `function` is raised at its place in the order. At most `jobs` items are begun and
    not yet asked for, so that memory does not grow where the consumer is slow: `Executor.map`
    would begin all of them (its `buffersize` comes with Python 3.14), and joblib's generators do.
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
