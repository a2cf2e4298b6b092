from __future__ import annotations

from remote_cache.report import failures_of

ADDRESS = "grpc://cache.example.com:443"


def test_a_cache_that_answers_is_not_mentioned() -> None:
    answered = {
        "remote_cache_requests": 7,
        "remote_cache_write_attempts": 2,
        "remote_cache_write_successes": 2,
    }
    assert failures_of(answered, ADDRESS) is None
    assert failures_of({}, ADDRESS) is None


def test_reads_and_writes_that_failed_are_counted_in_one_message() -> None:
    failed = {
        "remote_cache_requests": 7,
        "remote_cache_read_errors": 3,
        "remote_cache_write_attempts": 5,
        "remote_cache_write_errors": 4,
        "remote_cache_write_successes": 1,
    }
    message = failures_of(failed, ADDRESS)
    assert message is not None
    assert f"{ADDRESS} failed: 3 of 7 reads, 4 of 5 writes." in message


def test_reads_or_writes_alone_are_reported() -> None:
    unread = {"remote_cache_requests": 7, "remote_cache_read_errors": 1}
    assert "1 of 7 reads, 0 of 0 writes" in str(failures_of(unread, ADDRESS))
    unwritten = {"remote_cache_write_attempts": 5, "remote_cache_write_successes": 3}
    assert "0 of 0 reads, 2 of 5 writes" in str(failures_of(unwritten, ADDRESS))
