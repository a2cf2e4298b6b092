"""Timestamps as users write them, always with a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

from feature_store.errors import FeatureStoreError

type Timestamp = str | date | datetime

_DATE_LENGTH = len("2025-01-01")


def to_timestamp(value: object, what: str) -> datetime:
    """Convert a value to a timestamp in UTC; a date means its 00:00 UTC.

    Raises:
        FeatureStoreError: `value` is not a timestamp, or has no time zone.
    """
    timestamp = _parse(value, what)
    if type(timestamp) is date:
        return datetime(timestamp.year, timestamp.month, timestamp.day, tzinfo=UTC)
    if not isinstance(timestamp, datetime) or timestamp != timestamp:  # NaT differs from itself
        raise FeatureStoreError(_problem(what, value, "is not a timestamp"))
    if timestamp.tzinfo is None:
        raise FeatureStoreError(_problem(what, value, "has no time zone"))
    return timestamp.astimezone(UTC)


def _parse(value: object, what: str) -> object:
    if not isinstance(value, str):
        return value
    try:
        if len(value) <= _DATE_LENGTH:
            return date.fromisoformat(value)
        return datetime.fromisoformat(value)
    except ValueError:
        raise FeatureStoreError(_problem(what, value, "is not a timestamp")) from None


def _problem(what: str, value: object, problem: str) -> str:
    return (
        f"{what}: {str(value)!r} {problem}; expected a date such as 2025-01-31 (its 00:00 UTC), or "
        "a time with its offset such as 2025-01-31T18:00+01:00 or 2025-01-31T17:00Z."
    )
