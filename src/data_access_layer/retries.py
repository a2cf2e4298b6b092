"""Try again what may work the next time, and say so; leave at once what never will."""

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
    """A store did not answer, or not now; its text is for a person, without credentials."""


def with_retries[T](attempt: Callable[[], T], settings: StoreSettings, *, name: str) -> T:
    """What `attempt` returns, tried again while it raises `TransientError`.

    Pauses double from `retry_seconds` to half a minute, with some chance in them: those who failed
    together shall not come back together.

    Raises:
        UserError: it failed as often as it may.
    """

    def tell(state: RetryCallState) -> None:
        assert state.outcome
        assert state.next_action
        say(
            f"{name}: {state.outcome.exception()}; trying again in {state.next_action.sleep:.1f} s "
            f"({state.attempt_number} of {settings.retries})."
        )

    def give_up(state: RetryCallState) -> NoReturn:
        assert state.outcome
        tries = state.attempt_number
        # Not chained: what a driver raises may hold what it connected with.
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
        before_sleep=tell,
        retry_error_callback=give_up,
    )
    return retrying(attempt)
