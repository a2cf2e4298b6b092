"""Retry transient errors, and report each retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from cli.errors import UserError
from cli.terminal import say
from data_access_layer.settings import StoreSettings

LONGEST_PAUSE = 30.0


class TransientError(Exception):
    """A store does not answer now; the message has no credentials."""


def with_retries[T](attempt: Callable[[], T], settings: StoreSettings, *, name: str) -> T:
    """Call `attempt`, again while it raises `TransientError`.

    Pauses double from `retry_seconds` to half a minute, with random jitter: clients that failed
    together should not retry together.

    Raises:
        UserError: all attempts failed.
    """

    def report(state: RetryCallState) -> None:
        assert state.outcome
        assert state.next_action
        say(
            f"{name}: {state.outcome.exception()}; trying again in {state.next_action.sleep:.1f} s "
            f"({state.attempt_number} of {settings.retries})."
        )

    def give_up(state: RetryCallState) -> NoReturn:
        assert state.outcome
        tries = state.attempt_number
        # Not chained: a driver's error may contain credentials.
        raise UserError(
            f"{name}: {state.outcome.exception()}, {tries} time{'s' if tries > 1 else ''}. "
            "Is the store up, and can it be reached from here?"
        ) from None

    retrying = Retrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(settings.retries + 1),
        wait=wait_exponential_jitter(
            multiplier=settings.retry_seconds, max=LONGEST_PAUSE, jitter=settings.retry_seconds
        ),
        before_sleep=report,
        retry_error_callback=give_up,
    )
    return retrying(attempt)
