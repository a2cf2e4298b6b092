from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from cli.errors import InputError
from data_access_layer.threads import map_in_threads, prefetch


def test_prefetched_keeps_the_order_and_is_as_long() -> None:
    assert list(prefetch(range(100))) == list(range(100))
    assert list(prefetch([])) == []


def test_prefetched_reads_ahead_of_its_consumer() -> None:
    second = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        second.set()
        yield 2

    ahead = prefetch(items())
    assert next(ahead) == 1
    assert second.wait(timeout=10)
    assert list(ahead) == [2]


def test_prefetched_raises_an_error_at_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("the third")

    got: list[int] = []
    with pytest.raises(InputError, match="the third"):
        got.extend(prefetch(items()))
    seen = prefetch(items())
    assert [next(seen), next(seen)] == [1, 2]
    with pytest.raises(InputError, match="the third"):
        next(seen)


def test_leaving_early_stops_the_threads_and_closes_what_they_read() -> None:
    closed: list[str] = []

    def items() -> Iterator[int]:
        try:
            while True:
                time.sleep(0.001)
                yield 1
        finally:
            closed.append("source")

    before = set(threading.enumerate())
    twice = prefetch(prefetch(items()))
    assert next(twice) == 1
    assert len(set(threading.enumerate()) - before) == 2
    twice.close()
    assert set(threading.enumerate()) == before
    assert closed == ["source"]


@pytest.mark.parametrize("jobs", [1, 2, 5, 200])
def test_mapped_keeps_the_order_and_is_as_long(jobs: int) -> None:
    def late(item: int) -> int:
        # The first of some is the last to be ready.
        time.sleep(0.002 * (item % 5 == 0))
        return -item

    assert list(map_in_threads(late, range(100), jobs)) == [-item for item in range(100)]
    assert list(map_in_threads(late, [], jobs)) == []


def test_mapped_computes_as_many_at_a_time_as_there_are_jobs() -> None:
    together = threading.Barrier(3, timeout=10)
    assert [*map_in_threads(lambda _: together.wait() >= 0, range(6), 3)] == [True] * 6


@pytest.mark.parametrize("jobs", [1, 3])
def test_mapped_begins_no_more_than_its_consumer_can_take(jobs: int) -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            begun.append(item)
            yield item

    seen = map_in_threads(str, items(), jobs)
    for asked in range(1, 20):
        next(seen)
        assert len(begun) <= asked + jobs
    seen.close()


@pytest.mark.parametrize("jobs", [1, 3])
def test_mapped_raises_an_error_at_its_place(jobs: int) -> None:
    def function(item: int) -> int:
        if item == 2:
            raise InputError("the third")
        return item

    before = set(threading.enumerate())
    seen = map_in_threads(function, range(10), jobs)
    assert [next(seen), next(seen)] == [0, 1]
    with pytest.raises(InputError, match="the third"):
        next(seen)
    assert set(threading.enumerate()) == before
